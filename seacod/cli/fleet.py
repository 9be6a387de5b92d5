"""`seacod status --host a,b,c`: several services at a glance, asked over HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from seacod.client import NEVER, BrokenOff, Busy, Client, NoSeacod, Refused, Unreachable
from seacod.errors import EX_FAILURE, EX_OK, BadRequest
from seacod.system.net.listen_address import check_port
from seacod.system.text.terminal import in_language, is_chinese, padded, printable, width
from seacod.system.text.words import state_in_chinese

_PORT = 7860
_TIMEOUT_SECONDS = 5.0
_AT_ONCE = 32
_HEAD = ("host", "state", "model", "device", "in flight", "waiting", "restarts", "version", "")
_HEAD_ZH = ("主机", "状态", "模型", "设备", "处理中", "排队", "重启", "版本", "")
# Columns that every row has, and how many a row has that says only why there is no more.
_NAMED, _SHORT = 2, 3
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
    urls = {
        name: host_url(name, "--host")
        for name in dict.fromkeys(one.strip() for one in hosts.split(","))
    }
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="seacod-ask") as pool:
        told = list(pool.map(lambda name: _ask(name, urls[name], key), urls))
    serving = sum(one["state"] == "serving" for one in told)
    code = EX_OK if serving == len(told) else EX_FAILURE
    if as_json:
        return json.dumps({"serving": serving, "hosts": told}, ensure_ascii=False), code
    return "\n".join(_lines(told, serving)), code


def host_url(name: str, option: str) -> str:
    """The address of a service.

    Args:
        name: NAME, NAME:PORT, or an address that begins with http.
        option: where it was given, for the sentence.

    Raises:
        BadRequest: it is none.
        BadPort: its port is none.
    """
    check_port(name, option)
    if name.startswith(("http://", "https://")):
        return name.rstrip("/")
    if not _HOST.fullmatch(name):
        raise BadRequest(
            f"{option} {name}: is not a host; write NAME, NAME:PORT or an address that begins with "
            "http, separated by commas",
            f"{option} {name}：主机名无效；请写 主机名、主机名:端口 或以 http 开头的地址，"
            "以逗号分隔",
        )
    has_port = re.search(r":\d+$", name.rpartition("]")[2] if "]" in name else name)
    return f"http://{name}" if has_port else f"http://{name}:{_PORT}"


def _ask(name: str, url: str, key: str | None) -> dict[str, Any]:
    try:
        with Client(url, key, retry=NEVER, silence_seconds=_TIMEOUT_SECONDS) as client:
            system = client.system()
    except Busy:
        return {
            "host": name,
            "state": "not serving",
            "remark": in_language("answers 503", "返回 503"),
        }
    except (Unreachable, BrokenOff) as error:
        return {"host": name, "state": "unreachable", "remark": in_language(*error.cause)}
    except (Refused, NoSeacod) as error:
        asks = isinstance(error, Refused) and error.status == 401
        remark = (
            in_language("asks for a key (--key)", "需要密钥（--key）")
            if asks
            else in_language("what answers is not seacod", "应答者不是 seacod")
        )
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
    if serving < there:
        return in_language(
            f"{serving} of {there} workers", f"{there} 个识别进程中 {serving} 个在服务"
        )
    return in_language(f"{there} workers", f"{there} 个识别进程")


def _open_alerts(service: dict[str, Any]) -> str:
    return ", ".join(one["kind"] for one in service.get("alerts", []) if one["is_open"])


def _lines(told: Sequence[dict[str, Any]], serving: int) -> list[str]:
    rows: list[tuple[str, ...]] = [_HEAD_ZH if is_chinese() else _HEAD]
    for one in told:
        state = in_language(one["state"], state_in_chinese(one["state"]))
        if "model" not in one:
            rows.append((one["host"], state, one["remark"]))
            continue
        restarts = "-" if one["restarts"] is None else one["restarts"]
        figures = (one["in_flight"], one["queue_depth"], restarts)
        told_of = (one["model"][:14], one["device"], *map(str, figures), str(one["version"]))
        rows.append((one["host"], state, *told_of, one["remark"]))
    inside = sum(one.get("in_flight", 0) for one in told)
    waiting = sum(one.get("queue_depth", 0) for one in told)
    summary = in_language(
        f"{serving} of {len(told)} serve; {inside} in flight, {waiting} waiting",
        f"{len(told)} 个中有 {serving} 个在服务；{inside} 个处理中，{waiting} 个排队",
    )
    return [*_table(rows), summary]


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Columns as wide as what is in them; a short row is a sentence after its second column."""
    rows = [tuple(map(printable, row)) for row in rows]
    columns = [
        max(width(row[at]) for row in rows if len(row) > at and (at < _NAMED or len(row) > _SHORT))
        for at in range(max(map(len, rows)))
    ]
    return ["  ".join(map(_cell, row, columns)).rstrip() for row in rows]


def _cell(text: str, columns: int) -> str:
    return padded(text, columns, is_right=text.isdigit())
