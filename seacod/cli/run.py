"""`seacod run`: the service in the foreground, as systemd calls it and as somebody tries it."""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import sys
from typing import TYPE_CHECKING, Any

from seacod import __version__
from seacod.cli.options import add_config
from seacod.config.load import DEFAULT_FILE, SettingsSource
from seacod.config.schema import Settings
from seacod.errors import SeacodError
from seacod.supervisor.signals import keep_early
from seacod.system.processes.first_process import end_when_told
from seacod.system.text import terminal

if TYPE_CHECKING:
    from seacod.supervisor.daemon import Supervisor

HELP = "run the service in the foreground (systemd calls this)"
IS_DAEMON = True


def add(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--host", help="address of page and API (server.host)")
    parser.add_argument("--port", type=int, help="port of page and API (server.port)")
    parser.add_argument("--metrics-port", type=int, help="port of the metrics (metrics.port)")
    parser.add_argument("--model", help="model name, id or directory (asr.model)")
    parser.add_argument(
        "--try",
        action="store_true",
        dest="is_try",
        help="for this machine only (127.0.0.1), with the addresses printed",
    )


def run(options: argparse.Namespace) -> int:
    """Run the service until it ends; its exit code."""
    end_when_told()
    keep_early()
    from seacod import logs
    from seacod.cli import trial
    from seacod.supervisor.daemon import Supervisor

    is_placed = options.is_try or options.host is not None or options.port is not None
    overrides: dict[str, Any] = {
        # Whoever names a host or a port means it instead of whatever the file has.
        "server.listen": "" if is_placed else None,
        "server.host": options.host or ("127.0.0.1" if options.is_try else None),
        "server.port": options.port,
        "metrics.port": options.metrics_port,
        "asr.model": options.model,
    }

    # A trial on a machine with an installed service is not that service.
    default_file = None if options.is_try else DEFAULT_FILE

    if options.is_try:
        overrides.update(trial.beside_others(overrides, options.config))

    source = SettingsSource(options.config, overrides, default_file)
    # systemd's watchdog ends a supervisor that hangs with SIGABRT: then the journal has the stack.
    faulthandler.enable()
    settings = _told_to_systemd(source)
    logs.configure(settings.log, "supervisor")
    is_watched = options.is_try or sys.stdout.isatty()
    announce = _announce if is_watched else lambda supervisor: None
    supervisor = Supervisor(settings, source, announce)
    code = asyncio.run(supervisor.run())
    if is_watched and (why := terminal.in_language(*supervisor.workers.fatal_words)):
        print(f"seacod: {why}", file=sys.stderr)
    return code


def _told_to_systemd(source: SettingsSource) -> Settings:
    """The settings; what is wrong with them is also in `systemctl status`."""
    try:
        return source.read()
    except SeacodError as error:
        from seacod.supervisor.systemd.notify import Notifier

        Notifier(keep=True).failed(error.exit_code, error.message)
        raise


def _announce(supervisor: Supervisor) -> None:
    """Tell whoever sits in front of the terminal where to look."""
    report, url = supervisor.workers.report, supervisor.listeners.local_url
    lines = [
        "",
        f"seacod {__version__} is ready · 语音识别已就绪",
        f"  page     {url}",
        f"  API      curl -F file=@recording.wav {url}/transcribe",
    ]
    others = [one.local_url for one in supervisor.listeners.http if one.local_url != url]
    if others:
        lines.insert(3, f"           and {', '.join(others)}")
    if supervisor.metrics_server is not None:
        lines.append(f"  metrics  {supervisor.metrics_server.url}")
    lines.append(f"  model    {report.model} on {report.device}")
    if report.model == "builtin":
        lines.append("           for trying and testing, not for real speech · 仅供试用与测试")
    lines += ["Ctrl-C stops everything · 按 Ctrl-C 停止", ""]
    print("\n".join(lines), flush=True)
