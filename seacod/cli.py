"""Every command: parses, calls, prints. The edge where errors become sentences and exit codes.

Heavy modules are imported by the command that needs them: `seacod status` must be quick, and
the supervisor's side must stay free of torch.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seacod import __version__, terminal
from seacod.config import DEFAULT_FILE, Settings, load_settings
from seacod.errors import EX_FAILURE, EX_INTERRUPTED, EX_OK, SeacodError

if TYPE_CHECKING:
    from seacod.supervisor.daemon import Supervisor


def main(arguments: list[str] | None = None) -> None:
    """The command `seacod`; exits with the command's code."""
    options = _parser().parse_args(arguments)
    sys.exit(at_the_edge(lambda: options.call(options)))


def at_the_edge(call: Callable[[], int]) -> int:
    """The exit code of `call`; what it raises becomes a sentence and the right code."""
    try:
        return call()
    except SeacodError as error:
        _complain(error)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; that is no failure to talk about.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return EX_FAILURE
    except KeyboardInterrupt:
        return EX_INTERRUPTED


def _complain(error: SeacodError) -> None:
    """An error for a person: English and, where the locale is Chinese, Chinese."""
    # journald takes the priority from this prefix; on a terminal it would only be noise.
    prefix = "<3>" if os.environ.get("JOURNAL_STREAM") else ""
    for line in error.sentence(terminal.language()).splitlines():
        print(f"{prefix}seacod: {line}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="seacod", description="Chinese speech recognition as a dependable service."
    )
    parser.add_argument("--version", action="version", version=f"seacod {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = _command(commands, "run", _run, "run the service in the foreground (systemd calls this)")
    run.add_argument("--config", type=Path, help="configuration file")
    run.add_argument("--host", help="address of page and API (server.host)")
    run.add_argument("--port", type=int, help="port of page and API (server.port)")
    run.add_argument("--metrics-port", type=int, help="port of the metrics (metrics.port)")
    run.add_argument("--model", help="model name, id or directory (asr.model)")
    run.add_argument(
        "--try",
        action="store_true",
        dest="is_try",
        help="for this machine only (127.0.0.1), with the addresses printed",
    )

    _command(commands, "worker", _worker, None)

    status = _command(commands, "status", _status, "show the state of the running service")
    status.add_argument("--json", action="store_true", help="as one JSON object")
    status.add_argument(
        "--watch", type=float, nargs="?", const=2.0, metavar="SECONDS",
        help="show it again and again (every 2 s), until Ctrl-C",
    )  # fmt: skip
    status.add_argument("--config", type=Path, help="configuration file")

    reload = _command(
        commands, "reload", _reload, "take over the changed configuration; says what came of it"
    )
    reload.add_argument("--config", type=Path, help="configuration file")

    alerts = _command(commands, "alerts", _alerts, "what was sent to the operator, what waits")
    alerts.add_argument("--kinds", action="store_true", help="every kind of alert there is")
    test = _command(
        commands, "test-alert", _test_alert, "send a test message; says what was answered"
    )
    for name in ("mail", "dingtalk", "webhook"):
        test.add_argument(
            f"--{name}", action="append_const", const=name, dest="channels", help="this channel"
        )
    past = _command(commands, "crashes", _crashes, "what is known of past crashes")
    for one in (alerts, past):
        one.add_argument("--json", action="store_true", help="as JSON")
    for one in (alerts, test, past):
        one.add_argument("--config", type=Path, help="configuration file")

    heard = _command(commands, "transcribe", _transcribe, "texts of recordings")
    heard.add_argument("files", nargs="+", help="recordings, directories, wildcards")
    heard.add_argument("-o", "--output", type=Path, help="directory for the texts (else printed)")
    heard.add_argument(
        "--format", default="text", help="text, srt, vtt, tsv, json or verbose_json (text)"
    )
    heard.add_argument("--hotwords", default="", help="words separated by blanks or commas")
    heard.add_argument("--url", help="of the service; default: the one that runs here")
    heard.add_argument("--key", help="API key; default: the environment's SEACOD_API_KEY")
    heard.add_argument("--local", action="store_true", help="with an engine of its own")
    heard.add_argument("--model", default="builtin", help="asr.model of that engine (builtin)")
    heard.add_argument("--again", action="store_true", help="also what is done already")
    heard.add_argument("--config", type=Path, help="configuration file")

    told = _command(commands, "report", _report, "the slowest requests, and where their time went")
    told.add_argument("--since", default="1h", help="how far back: 30m, 1h, 2d (1h)")
    told.add_argument("--log", type=Path, help="log file; default: log.file, else the journal")
    told.add_argument("--count", type=int, default=10, help="how many (10)")
    told.add_argument("--json", action="store_true", help="as one JSON object")
    told.add_argument("--config", type=Path, help="configuration file")
    _command(commands, "dashboard", _dashboard, "print the Grafana dashboard, to be imported")

    config = _group(commands, "config", "look at the configuration")
    check = _command(config, "check", _config_check, "check a configuration file; exit 78 if wrong")
    check.add_argument("file", type=Path, nargs="?", help="default: the one the service uses")
    show = _command(config, "show", _config_show, "print the effective values")
    show.add_argument("file", type=Path, nargs="?", help="default: the one the service uses")
    _command(config, "example", _config_example, "print the commented file with all defaults")

    access = _group(commands, "access", "keys and logins for page and API")
    for name, call, text in (
        ("key", _access_key, "make a key for a program"),
        ("user", _access_user, "make a login for a person"),
    ):
        _command(access, name, call, text).add_argument("name", help="who it is for")

    bench = _group(commands, "bench", "measure seacod on this machine, with a service of its own")
    restart = _command(
        bench, "restart", _bench_restart, "time to the first right text after a kill, spare or not"
    )
    restart.add_argument("--rounds", type=int, default=3, help="kills of each sort (3)")
    cost = _command(
        bench, "supervisor", _bench_supervisor, "memory and processor time of the supervisor"
    )
    cost.add_argument("--seconds", type=float, default=60.0, help="how long to look (60)")
    through = _command(
        bench,
        "throughput",
        _bench_throughput,
        "audio a second, beside a Gradio app and funasr-server",
    )
    through.add_argument("--clients", type=int, nargs="+", default=[1, 4, 8, 16], help="(1 4 8 16)")
    through.add_argument("--seconds", type=float, default=15.0, help="length of one run (15)")
    through.add_argument("--device", default="auto", help="asr.device (auto)")
    through.add_argument("--output", type=Path, help="directory for throughput.json and .svg")
    hours = _command(bench, "long-audio", _bench_long_audio, "memory for a recording of hours")
    hours.add_argument("--hours", type=float, default=3.0, help="how long it is (3)")
    live = _command(bench, "live", _bench_live, "how long people at microphones wait")
    live.add_argument("--microphones", type=int, nargs="+", default=[1, 4, 8], help="(1 4 8)")
    live.add_argument("--rounds", type=int, default=2, help="times all sentences are said (2)")
    live.add_argument("--device", default="auto", help="asr.device (auto)")
    engine = _command(bench, "engine", _bench_engine, "what batches of each size cost here")
    engine.add_argument("--tune", action="store_true", help="print limits for the configuration")
    engine.add_argument("--config", type=Path, help="configuration file")
    engine.add_argument("--model", help="model name, id or directory (asr.model)")
    engine.add_argument("--json", action="store_true", help="as one JSON object")
    for one in (restart, cost, through, hours, live):
        one.add_argument("--model", default="builtin", help="asr.model (builtin)")
        one.add_argument("--json", action="store_true", help="as one JSON object")

    model = _group(commands, "model", "fetch models")
    fetch = _command(model, "fetch", _model_fetch, "download a model and verify it by loading")
    fetch.add_argument("name", help="paraformer-zh, or a ModelScope id such as iic/...")
    fetch.add_argument("--config", type=Path, help="configuration file")
    return parser


Subparsers = Any  # argparse's type is private


def _command(
    group: Subparsers, name: str, call: Callable[[argparse.Namespace], int], text: str | None
) -> argparse.ArgumentParser:
    """A command; without a text it is internal and not listed."""
    shown = {"help": text, "description": text} if text else {}
    parser: argparse.ArgumentParser = group.add_parser(name, **shown)
    parser.set_defaults(call=call)
    return parser


def _group(commands: Subparsers, name: str, text: str) -> Subparsers:
    parser = commands.add_parser(name, help=text, description=text)
    return parser.add_subparsers(title="commands", metavar="COMMAND", required=True)


# -- commands -----------------------------------------------------------------------------------


def _run(options: argparse.Namespace) -> int:
    from seacod import logs
    from seacod.supervisor.daemon import Supervisor

    overrides = {
        "server.host": options.host or ("127.0.0.1" if options.is_try else None),
        "server.port": options.port,
        "metrics.port": options.metrics_port,
        "asr.model": options.model,
    }

    # A trial on a machine with an installed service is not that service.
    default_file = None if options.is_try else DEFAULT_FILE

    def read_settings() -> Settings:
        return load_settings(options.config, options=overrides, default_file=default_file)

    # systemd's watchdog ends a supervisor that hangs with SIGABRT: then the journal has the stack.
    faulthandler.enable()
    settings = _told_to_systemd(read_settings)
    try:
        logs.configure(settings.log, "supervisor")
    except OSError as error:
        raise SeacodError(
            f"log.file: {settings.log.file} cannot be opened: {error.strerror}"
        ) from None
    is_watched = options.is_try or sys.stdout.isatty()
    announce = _announce if is_watched else lambda supervisor: None
    supervisor = Supervisor(settings, read_settings, announce)
    code = asyncio.run(supervisor.run())
    if is_watched and supervisor.lifecycle.fatal_message:
        print(f"seacod: {supervisor.lifecycle.fatal_message}", file=sys.stderr)
    return code


def _told_to_systemd(read_settings: Callable[[], Settings]) -> Settings:
    """The settings; what is wrong with them is also in `systemctl status`."""
    from seacod.supervisor.notify import Notifier

    try:
        return read_settings()
    except SeacodError as error:
        Notifier(keep=True).failed(error.exit_code, error.message)
        raise


def _announce(supervisor: Supervisor) -> None:
    """Tell whoever sits in front of the terminal where to look."""
    report, url = supervisor.lifecycle.report, supervisor.listener.local_url
    lines = [
        "",
        f"seacod {__version__} is ready · 语音识别已就绪",
        f"  page     {url}",
        f"  API      curl -F file=@recording.wav {url}/transcribe",
    ]
    if supervisor.metrics_port is not None:
        host = supervisor.settings.metrics.host
        lines.append(f"  metrics  http://{host}:{supervisor.metrics_port}/metrics")
    lines.append(f"  model    {report.model} on {report.device}")
    if report.model == "builtin":
        lines.append("           for trying and testing, not for real speech · 仅供试用与测试")
    lines += ["Ctrl-C stops everything · 按 Ctrl-C 停止", ""]
    print("\n".join(lines), flush=True)


def _worker(options: argparse.Namespace) -> int:
    from seacod.web.worker import run_worker

    return run_worker()


def _status(options: argparse.Namespace) -> int:
    from seacod.commands import status

    return status.run(options.config, as_json=options.json, every_seconds=options.watch)


def _reload(options: argparse.Namespace) -> int:
    from seacod import client

    told = client.reload(options.config)
    for keys, words in (
        (told["live"], "in use now"),
        (told["replaced"], "in use now, by a new worker"),
        (told["needs_restart"], "only with: systemctl restart seacod"),
    ):
        for key in keys:
            print(f"{key}: {words}")
    if not (told["live"] or told["replaced"] or told["needs_restart"]):
        print("nothing has changed")
    return EX_OK


def _alerts(options: argparse.Namespace) -> int:
    from seacod.commands import alerts

    return alerts.kinds() if options.kinds else alerts.show(options.config, as_json=options.json)


def _test_alert(options: argparse.Namespace) -> int:
    from seacod.commands import alerts

    return alerts.test(options.config, options.channels or [])


def _crashes(options: argparse.Namespace) -> int:
    from seacod.commands import alerts

    return alerts.show_crashes(options.config, as_json=options.json)


def _transcribe(options: argparse.Namespace) -> int:
    from seacod.commands.transcribing.command import Wishes, transcribe

    return transcribe(
        Wishes(
            options.files, options.output, options.format, options.hotwords, options.url,
            options.key or os.environ.get("SEACOD_API_KEY"), options.local, options.model,
            options.config, options.again,
        )
    )  # fmt: skip


def _report(options: argparse.Namespace) -> int:
    from seacod.commands import report

    log_file = options.log or load_settings(options.config).log.file
    return report.report(options.since, log_file, max(1, options.count), as_json=options.json)


def _dashboard(options: argparse.Namespace) -> int:
    from importlib import resources

    made = resources.files("seacod.observability").joinpath("seacod.json")
    print(made.read_text("utf-8"), end="")
    return EX_OK


def _config_check(options: argparse.Namespace) -> int:
    from seacod.config.load import find_file
    from seacod.config.reach import check

    check(load_settings(options.file), options.file)
    file = find_file(options.file)
    print(f"{file or 'defaults (there is no configuration file)'}: good")
    return EX_OK


def _config_show(options: argparse.Namespace) -> int:
    from seacod.config import render

    print(render.show(load_settings(options.file)), end="")
    return EX_OK


def _config_example(options: argparse.Namespace) -> int:
    from seacod.config import render

    print(render.example(), end="")
    return EX_OK


def _access_key(options: argparse.Namespace) -> int:
    from seacod.commands import access

    return access.key(options.name)


def _access_user(options: argparse.Namespace) -> int:
    from seacod.commands import access

    return access.user(options.name)


def _bench_restart(options: argparse.Namespace) -> int:
    from seacod.commands import bench

    return bench.restart(options.model, max(1, options.rounds), as_json=options.json)


def _bench_supervisor(options: argparse.Namespace) -> int:
    from seacod.commands import bench

    return bench.supervisor(options.model, max(1.0, options.seconds), as_json=options.json)


def _bench_throughput(options: argparse.Namespace) -> int:
    from seacod.commands import bench

    return bench.throughput(
        options.model, options.device, options.clients, max(1.0, options.seconds), options.output,
        as_json=options.json,
    )  # fmt: skip


def _bench_long_audio(options: argparse.Namespace) -> int:
    from seacod.commands import bench

    return bench.long_audio(options.model, max(0.1, options.hours), as_json=options.json)


def _bench_live(options: argparse.Namespace) -> int:
    from seacod.commands import bench

    return bench.live(
        options.model, options.device, options.microphones, max(1, options.rounds),
        as_json=options.json,
    )  # fmt: skip


def _bench_engine(options: argparse.Namespace) -> int:
    from seacod.commands import bench

    return bench.engine(options.config, options.model, tune=options.tune, as_json=options.json)


def _model_fetch(options: argparse.Namespace) -> int:
    from seacod import logs
    from seacod.models.fetch import fetch_command

    settings = load_settings(options.config)
    # To standard error alone: the service's log file may belong to another user.
    logs.configure(settings.log.model_copy(update={"file": None}), "client")
    return fetch_command(options.name, settings)
