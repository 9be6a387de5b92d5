"""`seacod status --host a,b,c`: several services at a glance, asked over HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from seacod.client import NEVER, BrokenOff, Busy, Client, NoSeacod, Refused, Unreachable
from seacod.errors import EX_FAILURE, EX_OK, BadRequest

_PORT = 7860
_TIMEOUT_SECONDS = 5.0
_AT_ONCE = 32
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9A-Fa-f:]+\](:\d{1,5})?")


def fleet(hosts: str, key: str | None, *, as_json: bool) -> tuple[str, int]:
    """What each of several services is doing.

    Args:
        hosts: names, `NAME:PORT` or addresses beginning with http, separated by commas.
        key: an API key, where they ask for one.
        as_json: as one JSON object instead of a table.

    Returns:
        What to print, and the exit code: 0 when all of them serve, 1 otherwise.

    Raises:
        BadRequest: one of them is not a host.
    """
    urls = {name: _url(name) for name in dict.fromkeys(one.strip() for one in hosts.split(","))}
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="seacod-ask") as pool:
        told = list(pool.map(lambda name: _ask(name, urls[name], key), urls))
    serving = sum(one["state"] == "serving" for one in told)
    code = EX_OK if serving == len(told) else EX_FAILURE
    if as_json:
        return json.dumps({"serving": serving, "hosts": told}, ensure_ascii=False), code
    return "\n".join(_lines(told, serving)), code


def _url(name: str) -> str:
    if name.startswith(("http://", "https://")):
        return name.rstrip("/")
    if not _HOST.fullmatch(name):
        raise BadRequest(
            f"--host {name}: is not a host; write NAME, NAME:PORT or an address that begins with "
            "http, separated by commas",
            f"--host {name}：主机名无效；请写 主机名、主机名:端口 或以 http 开头的地址，以逗号分隔",
        )
    has_port = re.search(r":\d+$", name.rpartition("]")[2] if "]" in name else name)
    return f"http://{name}" if has_port else f"http://{name}:{_PORT}"


def _ask(name: str, url: str, key: str | None) -> dict[str, Any]:
    try:
        with Client(url, key, retry=NEVER, silence_seconds=_TIMEOUT_SECONDS) as client:
            system = client.system()
    except Busy:
        return {"host": name, "state": "not serving", "remark": "answers 503"}
    except (Unreachable, BrokenOff) as error:
        return {"host": name, "state": "unreachable", "remark": error.cause}
    except (Refused, NoSeacod) as error:
        asks = isinstance(error, Refused) and error.status == 401
        remark = "asks for a key (--key)" if asks else "what answers is not seacod"
        return {"host": name, "state": "unknown", "remark": remark}
    service = system.service or {}
    return {
        "host": name,
        "state": service.get("state") or "serving",
        "model": system.model,
        "device": system.device,
        "in_flight": system.in_flight,
        "queue_depth": system.queue_depth,
        "restarts": (service.get("restarts") or {}).get("count"),
        "version": system.versions.get("seacod"),
        "remark": ", ".join(filter(None, (_missing(service), _open_alerts(service)))),
    }


def _missing(service: dict[str, Any]) -> str:
    """How many of several workers serve."""
    there, serving = service.get("workers", 1), service.get("workers_serving", 1)
    if there == 1:
        return ""
    return f"{serving} of {there} workers" if serving < there else f"{there} workers"


def _open_alerts(service: dict[str, Any]) -> str:
    return ", ".join(one["kind"] for one in service.get("alerts", []) if one["is_open"])


def _lines(told: Sequence[dict[str, Any]], serving: int) -> list[str]:
    wide = max(4, *(len(one["host"]) for one in told))
    lines = [
        f"{'host':<{wide}}  {'state':<12} {'model':<14} {'device':<8} "
        "in flight  waiting  restarts  version"
    ]
    for one in told:
        if "model" not in one:
            lines.append(f"{one['host']:<{wide}}  {one['state']:<12} {one['remark']}")
            continue
        restarts = "-" if one["restarts"] is None else one["restarts"]
        lines.append(
            f"{one['host']:<{wide}}  {one['state']:<12} {one['model']:<14.14} {one['device']:<8} "
            f"{one['in_flight']:>9} {one['queue_depth']:>8} {restarts:>9}  {one['version']} "
            f"{one['remark']}".rstrip()
        )
    inside = sum(one.get("in_flight", 0) for one in told)
    waiting = sum(one.get("queue_depth", 0) for one in told)
    lines.append(f"{serving} of {len(told)} serve; {inside} in flight, {waiting} waiting")
    return lines
