"""`seacod status`: the running service in words, once or again and again."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from seacod.cli.fleet import fleet
from seacod.client import status_socket
from seacod.errors import EX_OK, NotRunning
from seacod.system.terminal import ago

# Cursor home, and clear from there to the end (ECMA-48).
_CLEAR = "\x1b[H\x1b[2J"
_SHOWN_NOTICES = 5


def run(
    config: Path | None,
    *,
    as_json: bool,
    every_seconds: float | None,
    hosts: str | None = None,
    key: str | None = None,
) -> int:
    """Print the status.

    Args:
        config: the configuration file, if one was named.
        as_json: one JSON object (a line each time when watching).
        every_seconds: again and again with this pause; None for once.
        hosts: of several services, separated by commas, instead of the one here.
        key: an API key, where those ask for one.

    Raises:
        NotRunning: no service answers (when watching, this is shown instead).
        BadRequest: one of the hosts is none.
    """

    def look(indent: int | None) -> tuple[str, int]:
        if hosts is not None:
            return fleet(hosts, key, as_json=as_json)
        return _text(status_socket.status(config), as_json, indent=indent), EX_OK

    if every_seconds is None:
        text, code = look(2)
        print(text)
        return code
    while True:
        try:
            text, _ = look(None)
        except NotRunning as error:
            text = json.dumps({"state": "not_running"}) if as_json else error.message
        is_screen = sys.stdout.isatty() and not as_json
        print(f"{_CLEAR if is_screen else ''}{text}", flush=True)
        time.sleep(max(0.1, every_seconds))


def _text(status: dict[str, Any], as_json: bool, *, indent: int | None) -> str:
    if as_json:
        return json.dumps(status, ensure_ascii=False, indent=indent)
    return "\n".join(lines(status))


def lines(status: dict[str, Any]) -> list[str]:
    """The snapshot for people."""
    worker, restarts = status["worker"], status["restarts"]
    causes = restarts["last_causes"]
    device = f" on {worker['device']}" if worker["device"] else ""
    text = [
        f"seacod {status['version']}, pid {status['pid']}, up {ago(status['since'])}",
        f"  state      {worker['state']} since {ago(worker['since'])} {worker['stage']}".rstrip(),
        f"  address    {status['url']}",
        *(
            map(_worker, status["workers"])
            if len(status["workers"]) > 1
            else [
                f"  worker     pid {worker['pid'] or '-'}, {worker['model'] or 'no model yet'}"
                f"{device}",
                f"  spare      {_beside(status['spare'])}",
            ]
        ),
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
    """One of several."""
    device = f" on {one['gpu'] or one['device']}" if one["device"] else ""
    spare = f", spare {one['spare']['state']}" if one["spare"] else ""
    return (
        f"  worker {one['number']:<3} {one['state']}, pid {one['pid'] or '-'}, "
        f"{one['model'] or 'no model yet'}{device}, {one['in_flight']} in flight, "
        f"{one['restarts']} restarts{spare}"
    )


def _beside(worker: dict[str, Any] | None) -> str:
    if worker is None:
        return "none"
    return f"pid {worker['pid']}, {worker['state']} since {ago(worker['since'])}"


def _gpus(gpu: dict[str, Any]) -> list[str]:
    if gpu["state"] == "absent":
        return ["  gpu        none (no NVIDIA driver)"]
    if gpu["state"] == "unknown":
        return ["  gpu        unknown: the driver does not answer"]
    return [
        f"  gpu {one['index']:<6} {one['name']}, {one['used_bytes'] >> 20} of "
        f"{one['total_bytes'] >> 20} MiB used"
        for one in gpu["gpus"]
    ]
