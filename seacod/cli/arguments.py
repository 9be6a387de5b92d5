"""What can be typed: every command with its options. The man page and the shell completion are made
from this (`tools/make_documents.py`)."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seacod import __version__
from seacod.cli import calls
from seacod.formats import registry


def make_parser() -> argparse.ArgumentParser:
    """Every command and option."""
    parser = argparse.ArgumentParser(
        prog="seacod", description="Chinese speech recognition as a dependable service."
    )
    parser.add_argument("--version", action="version", version=f"seacod {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = _command(
        commands, "run", calls.run, "run the service in the foreground (systemd calls this)"
    )
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

    _command(commands, "worker", calls.worker, None)

    status = _command(commands, "status", calls.status, "show the state of the running service")
    status.add_argument("--json", action="store_true", help="as one JSON object")
    status.add_argument(
        "--watch", type=float, nargs="?", const=2.0, metavar="SECONDS",
        help="show it again and again (every 2 s), until Ctrl-C",
    )  # fmt: skip
    status.add_argument("--host", metavar="A,B,C", help="services elsewhere, over HTTP")
    status.add_argument("--key", help="their API key; default: the environment's SEACOD_API_KEY")
    status.add_argument("--config", type=Path, help="configuration file")

    looked = _command(
        commands, "check", calls.check, "the go-live checklist; exit 0 well, 1 look at it, 2 failed"
    )
    looked.add_argument("items", nargs="*", metavar="ITEM", help="only these (all)")
    looked.add_argument("--send", action="store_true", help="send a test message, too")
    looked.add_argument("--key", help="API key; default: the environment's SEACOD_API_KEY")
    looked.add_argument("--json", action="store_true", help="as one JSON object")
    looked.add_argument("--config", type=Path, help="configuration file")

    broken = _command(
        commands, "drill", calls.drill, "break a staging service, and see it come back"
    )
    broken.add_argument("name", nargs="?", help="of the drill")
    broken.add_argument("--list", action="store_true", help="every drill, and what it does")
    broken.add_argument("--yes", action="store_true", help="do not ask")
    broken.add_argument("--key", help="API key; default: the environment's SEACOD_API_KEY")
    broken.add_argument("--json", action="store_true", help="as one JSON object")
    broken.add_argument("--config", type=Path, help="configuration file")

    soaked = _command(commands, "soak", calls.soak, "days of mixed work in miniature, and a report")
    soaked.add_argument("--hours", type=float, default=72.0, help="of the timetable (72)")
    soaked.add_argument("--speed", type=float, default=24.0, help="how fast its clock runs (24)")
    soaked.add_argument(
        "--drills", nargs="+", default=[], metavar="DRILL", help="let one in each hour"
    )
    soaked.add_argument(
        "--recordings", type=Path, nargs="+", default=[], metavar="FILE",
        help="speech to send (the shipped examples)",
    )  # fmt: skip
    soaked.add_argument(
        "-o", "--output", type=Path, default=Path(), help="directory for soak.html and soak.json"
    )
    soaked.add_argument("--key", help="API key; default: the environment's SEACOD_API_KEY")
    soaked.add_argument("--json", action="store_true", help="as one JSON object")
    soaked.add_argument("--config", type=Path, help="configuration file")

    reload = _command(
        commands,
        "reload",
        calls.reload,
        "take over the changed configuration; says what came of it",
    )
    reload.add_argument("--config", type=Path, help="configuration file")

    alerts = _command(commands, "alerts", calls.alerts, "what was sent to the operator, what waits")
    alerts.add_argument("--kinds", action="store_true", help="every kind of alert there is")
    test = _command(
        commands, "test-alert", calls.test_alert, "send a test message; says what was answered"
    )
    for name in ("mail", "dingtalk", "webhook"):
        test.add_argument(
            f"--{name}", action="append_const", const=name, dest="channels", help="this channel"
        )
    book = _command(commands, "runbook", calls.runbook, "what an alert means, and what to do")
    book.add_argument("name", nargs="?", help="of the alert; without one, all names")
    past = _command(commands, "crashes", calls.crashes, "what is known of past crashes")
    for one in (alerts, past):
        one.add_argument("--json", action="store_true", help="as JSON")
    for one in (alerts, test, past):
        one.add_argument("--config", type=Path, help="configuration file")

    heard = _command(commands, "transcribe", calls.transcribe, "texts of recordings")
    heard.add_argument("files", nargs="+", help="recordings, directories, wildcards")
    heard.add_argument(
        "-o", "--output", help="directory for the texts (else printed); with --ray, or a URL"
    )
    *others, last = registry.names(registry.all_formats())
    heard.add_argument("--format", default="text", help=f"{', '.join(others)} or {last} (text)")
    heard.add_argument("--hotwords", default="", help="words separated by blanks or commas")
    heard.add_argument("--url", help="of the service; default: the one that runs here")
    heard.add_argument("--key", help="API key; default: the environment's SEACOD_API_KEY")
    heard.add_argument("--local", action="store_true", help="with an engine of its own")
    heard.add_argument("--model", default="builtin", help="asr.model of that engine (builtin)")
    heard.add_argument("--again", action="store_true", help="also what is done already")
    heard.add_argument(
        "--ray",
        metavar="CLUSTER",
        help="an archive on a Ray cluster, an engine on each GPU or core: auto (the one that runs "
        "here), local (this machine, nothing needs to run) or HOST:PORT; needs -o, and takes lists "
        "(.jsonl, .csv) and URLs (s3://...), too",
    )
    heard.add_argument(
        "--metrics-port", type=int, default=0, help="with --ray: where Prometheus may look on"
    )
    heard.add_argument("--config", type=Path, help="configuration file")

    told = _command(
        commands, "report", calls.report, "the slowest requests, and where their time went"
    )
    told.add_argument("--since", default="1h", help="how far back: 30m, 1h, 2d (1h)")
    told.add_argument("--log", type=Path, help="log file; default: log.file, else the journal")
    told.add_argument("--count", type=int, default=10, help="how many (10)")
    told.add_argument("--json", action="store_true", help="as one JSON object")
    told.add_argument("--config", type=Path, help="configuration file")
    _command(commands, "dashboard", calls.dashboard, "print the Grafana dashboard, to be imported")

    config = _group(commands, "config", "look at the configuration")
    check = _command(
        config, "check", calls.config_check, "check a configuration file; exit 78 if wrong"
    )
    check.add_argument("file", type=Path, nargs="?", help="default: the one the service uses")
    show = _command(config, "show", calls.config_show, "print the effective values")
    show.add_argument("file", type=Path, nargs="?", help="default: the one the service uses")
    _command(config, "example", calls.config_example, "print the commented file with all defaults")

    access = _group(commands, "access", "keys and logins for page and API")
    for name, call, text in (
        ("key", calls.access_key, "make a key for a program"),
        ("user", calls.access_user, "make a login for a person"),
    ):
        _command(access, name, call, text).add_argument("name", help="who it is for")

    bench = _group(commands, "bench", "measure seacod on this machine, with a service of its own")
    restart = _command(
        bench,
        "restart",
        calls.bench_restart,
        "time to the first right text after a kill, spare or not",
    )
    restart.add_argument("--rounds", type=int, default=3, help="kills of each sort (3)")
    cost = _command(
        bench, "supervisor", calls.bench_supervisor, "memory and processor time of the supervisor"
    )
    cost.add_argument("--seconds", type=float, default=60.0, help="how long to look (60)")
    through = _command(
        bench,
        "throughput",
        calls.bench_throughput,
        "audio a second, beside a Gradio app and funasr-server",
    )
    through.add_argument("--clients", type=int, nargs="+", default=[1, 4, 8, 16], help="(1 4 8 16)")
    through.add_argument("--seconds", type=float, default=15.0, help="length of one run (15)")
    through.add_argument("--device", default="auto", help="asr.device (auto)")
    through.add_argument("--output", type=Path, help="directory for throughput.json and .svg")
    hours = _command(bench, "long-audio", calls.bench_long_audio, "memory for a recording of hours")
    hours.add_argument("--hours", type=float, default=3.0, help="how long it is (3)")
    live = _command(bench, "live", calls.bench_live, "how long people at microphones wait")
    live.add_argument("--microphones", type=int, nargs="+", default=[1, 4, 8], help="(1 4 8)")
    live.add_argument("--rounds", type=int, default=2, help="times all sentences are said (2)")
    live.add_argument("--device", default="auto", help="asr.device (auto)")
    scaling = _command(bench, "scaling", calls.bench_scaling, "what another worker is worth")
    scaling.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="(1 2)")
    scaling.add_argument("--threads", type=int, default=1, help="of each on the CPU (1)")
    scaling.add_argument("--clients", type=int, default=8, help="at once (8)")
    scaling.add_argument("--seconds", type=float, default=15.0, help="length of one run (15)")
    scaling.add_argument("--rounds", type=int, default=3, help="runs of each (3)")
    scaling.add_argument("--device", default="auto", help="asr.device (auto)")
    scaling.add_argument("--output", type=Path, help="directory for scaling.json")
    engine = _command(bench, "engine", calls.bench_engine, "what batches of each size cost here")
    engine.add_argument("--tune", action="store_true", help="print limits for the configuration")
    engine.add_argument("--config", type=Path, help="configuration file")
    engine.add_argument("--model", help="model name, id or directory (asr.model)")
    engine.add_argument("--json", action="store_true", help="as one JSON object")
    for one in (restart, cost, through, hours, live, scaling):
        one.add_argument("--model", default="builtin", help="asr.model (builtin)")
        one.add_argument("--json", action="store_true", help="as one JSON object")

    model = _group(commands, "model", "fetch models")
    fetch = _command(model, "fetch", calls.model_fetch, "download a model and verify it by loading")
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
