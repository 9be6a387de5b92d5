"""`seacod status`: the running service in words, once or again and again."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from seacod.cli.options import add_config, add_json, add_key, api_key
from seacod.client import status_socket
from seacod.errors import EX_OK, NotRunning
from seacod.system.terminal import ago

HELP = "show the state of the running service"
# Cursor home, and clear from there to the end (ECMA-48).
_CLEAR = "\x1b[H\x1b[2J"
_SHOWN_NOTICES = 5


def add(parser: argparse.ArgumentParser) -> None:
    add_json(parser)
    parser.add_argument(
        "--watch", type=float, nargs="?", const=2.0, metavar="SECONDS",
        help="show it again and again (every 2 s), until Ctrl-C",
    )  # fmt: skip
    parser.add_argument("--host", metavar="A,B,C", help="services elsewhere, over HTTP")
    add_key(parser, "their API key")
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Print the status once, or again and again.

    Raises:
        NotRunning: no service answers (when watching, this is shown instead).
        BadRequest: one of the hosts is none.
    """
    if options.watch is None:
        text, code = _look(options, 2)
        print(text)
        return code
    while True:
        try:
            text, _ = _look(options, None)
        except NotRunning as error:
            text = json.dumps({"state": "not_running"}) if options.json else error.message
        is_screen = sys.stdout.isatty() and not options.json
        print(f"{_CLEAR if is_screen else ''}{text}", flush=True)
        time.sleep(max(0.1, options.watch))


def _look(options: argparse.Namespace, indent: int | None) -> tuple[str, int]:
    if options.host is not None:
        from seacod.cli.fleet import fleet

        return fleet(options.host, api_key(options), as_json=options.json)
    status = status_socket.status(options.config)
    if options.json:
        return json.dumps(status, ensure_ascii=False, indent=indent), EX_OK
    return "\n".join(lines(status)), EX_OK


def lines(status: dict[str, Any]) -> list[str]:
    """The snapshot for people."""
    worker, restarts = status["worker"], status["restarts"]
    causes = restarts["last_causes"]
    device = f" on {worker['device']}" if worker["device"] else ""
    text = [
        f"seacod {status['version']}, pid {status['pid']}, up {ago(status['since'])}",
        f"  state      {worker['state']} since {ago(worker['since'])} {worker['stage']}".rstrip(),
        f"  address    {status['url']}",
        *([f"  funasr     {status['funasr_url']}"] if status["funasr_url"] else []),
        *([f"  metrics    {status['metrics']['url']}"] if status["metrics"] else []),
        *(
            map(_worker, status["workers"])
            if len(status["workers"]) > 1
            else [
                f"  worker     pid {worker['pid'] or '-'}, {worker['model'] or 'no model yet'}"
                f"{device}",
            ]
        ),
        f"  nursery    {_beside(status['nursery'])}",
        *_gpus(status["gpu"]),
        f"  requests   {status['in_flight']} in flight, {status['queue_depth']} waiting",
        f"  restarts   {restarts['count']}{' (last: ' + causes[-1] + ')' if causes else ''}",
    ]
    if status["replacement"]:
        text.append(f"  replacing  {_beside(status['replacement'])}, with new settings")
    if restarts["last_away_seconds"] is not None:
        text.append(f"  away       {restarts['last_away_seconds']:.1f} s the last time")
    for alert in (status["alerts"] or {"open": []})["open"]:
        text.append(
            f"  alert      open since {ago(alert['since'])}: {alert['kind']} {alert['key']}"
        )
    for notice in status["notices"][-_SHOWN_NOTICES:]:
        text.append(f"  notice     {ago(notice['at'])} ago: {notice['event']}: {notice['text']}")
    return text


def _worker(one: dict[str, Any]) -> str:
    """The line of one of several workers."""
    device = f" on {one['gpu'] or one['device']}" if one["device"] else ""
    return (
        f"  worker {one['number']:<3} {one['state']}, pid {one['pid'] or '-'}, "
        f"{one['model'] or 'no model yet'}{device}, {one['in_flight']} in flight, "
        f"{one['restarts']} restarts"
    )


def _beside(worker: dict[str, Any] | None) -> str:
    if worker is None:
        return "none"
    return f"pid {worker['pid']}, {worker['state']} since {ago(worker['since'])}"


def _gpus(gpu: dict[str, Any]) -> list[str]:
    if gpu["state"] == "absent":
        return ["  gpu        none (no driver)"]
    if gpu["state"] == "unknown":
        return ["  gpu        unknown: the driver does not answer"]
    return [
        f"  gpu {one['index']:<6} {one['name']}, {one['used_bytes'] >> 20} of "
        f"{one['total_bytes'] >> 20} MiB used"
        for one in gpu["gpus"]
    ]
