"""`seacod status`: the running service in words, once or again and again."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from seacod import __version__
from seacod.alerts.kinds import KINDS
from seacod.cli.options import add_config, add_json, add_key, api_key
from seacod.client import status_socket
from seacod.errors import EX_OK, NotAllowed, NotRunning
from seacod.system.text.terminal import ago, padded, printable
from seacod.system.text.terminal import in_language as say
from seacod.system.text.words import state_in_chinese

HELP = "show the state of the running service"
# Cursor home, and clear from there to the end (ECMA-48).
_CLEAR = "\x1b[H\x1b[2J"
_SHOWN_NOTICES = 5
_LABEL_COLUMNS = 11


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
            said = say(error.message, error.chinese)
            text = json.dumps({"state": "not_running"}) if options.json else said
        is_screen = sys.stdout.isatty() and not options.json
        print(f"{_CLEAR if is_screen else ''}{text}", flush=True)
        time.sleep(max(0.1, options.watch))


def _look(options: argparse.Namespace, indent: int | None) -> tuple[str, int]:
    if options.host is not None:
        from seacod.cli.fleet import fleet

        return fleet(options.host, api_key(options), as_json=options.json)
    try:
        status = status_socket.status(options.config)
    except NotAllowed as error:
        if (url := status_socket.open_url(options.config)) is None:
            raise
        return _by_the_open_port(url, error, options)
    if options.json:
        return json.dumps(status, ensure_ascii=False, indent=indent), EX_OK
    return "\n".join(map(printable, lines(status))), EX_OK


def _by_the_open_port(url: str, error: NotAllowed, options: argparse.Namespace) -> tuple[str, int]:
    """What everybody may see, and what is missing."""
    from seacod.cli.fleet import fleet

    text, code = fleet(url, api_key(options), as_json=options.json)
    if options.json:
        return text, code
    missing = say(
        f"{error.message}; this is what {url} tells everybody. GPU, restarts and alerts: "
        "sudo seacod status",
        f"{error.chinese}；以下为 {url} 公开的信息。显卡、重启与告警请用 sudo seacod status 查看",
    )
    return f"{missing}\n{text}", code


def lines(status: dict[str, Any]) -> list[str]:
    """The snapshot for people, in their language."""
    worker, restarts = status["worker"], status["restarts"]
    up = ago(status["since"])
    text = [
        say(
            f"seacod {status['version']}, pid {status['pid']}, up {up[0]}",
            f"seacod {status['version']}，进程 {status['pid']}，已运行 {up[1]}",
        ),
        *_other_release(status["version"]),
        _row("state", "状态", _since(worker) + _start(worker)),
        *_paused(status["pause"]),
        _row("address", "地址", _addresses(status)),
        *([_row("funasr", "FunASR", status["funasr_url"])] if status["funasr_url"] else []),
        *([_row("metrics", "指标", status["metrics"]["url"])] if status["metrics"] else []),
        *(map(_worker, status["workers"]) if len(status["workers"]) > 1 else [_only(worker)]),
        _row("nursery", "预备进程", _beside(status["nursery"])),
        *_gpus(status["gpu"]),
        _row("requests", "请求", _requests(status)),
        _row("restarts", "重启", _restarts(restarts)),
    ]
    if status["replacement"]:
        beside, new = _beside(status["replacement"]), say(", with new settings", "，使用新的配置")
        text.append(_row("replacing", "接替进程", beside + new))
    if (away := restarts["last_away_seconds"]) is not None:
        text.append(_row("away", "中断", say(f"{away:.1f} s the last time", f"上次 {away:.1f} 秒")))
    for alert in (status["alerts"] or {"open": []})["open"]:
        long, kind = ago(alert["since"]), KINDS.get(alert["kind"])
        about = f" {alert['key']}" if alert["key"] else ""
        words = say(
            f"open since {long[0]}: {alert['kind']}{about}",
            f"已持续 {long[1]}：{kind.chinese if kind else alert['kind']}{about}",
        )
        text.append(_row("alert", "告警", words))
    for notice in status["notices"][-_SHOWN_NOTICES:]:
        long = ago(notice["at"])
        words = say(
            f"{long[0]} ago: {notice['event']}: {notice['text']}",
            f"{long[1]}前：{notice['text_zh']}",
        )
        text.append(_row("notice", "事件", words))
    return text


def _other_release(version: str) -> list[str]:
    """Where the service is of another release: what it does not tell is not known here."""
    if version == __version__:
        return []
    words = say(
        f"this command is of {__version__}: what that service does not tell is shown as unknown",
        f"本命令为 {__version__} 版本，该服务未提供的信息显示为未知",
    )
    return [_row("release", "版本", words)]


def _paused(pause: dict[str, Any] | None) -> list[str]:
    if pause is None:
        return []
    long, reason = ago(pause["since"]), pause["reason"]
    words = say(
        f"for {long[0]}, nothing new is taken{f': {reason}' if reason else ''} (seacod resume)",
        f"已 {long[1]}，不接受新的请求{f'：{reason}' if reason else ''}（恢复：seacod resume）",
    )
    return [_row("PAUSED", "已暂停", words)]


def _row(english: str, chinese: str, value: str) -> str:
    label = say(english, chinese)
    return f"  {padded(f'{label} ', _LABEL_COLUMNS)}{value}"


def _only(worker: dict[str, Any]) -> str:
    """The line of the one worker."""
    return _row(
        "worker", "识别进程", f"pid {worker['pid'] or '-'}{say(', ', '，')}{_model(worker)}"
    )


def _worker(one: dict[str, Any]) -> str:
    """The line of one of several workers."""
    where = {**one, "device": one["device"] and (one["gpu"] or one["device"])}
    state = say(one["state"], state_in_chinese(one["state"]))
    number, pid, inside = one["number"], one["pid"] or "-", one["in_flight"]
    words = say(
        f"{state}, pid {pid}, {_model(where)}, {inside} in flight, {one['restarts']} restarts",
        f"{state}，pid {pid}，{_model(where)}，{inside} 个处理中，重启 {one['restarts']} 次",
    )
    return _row(f"worker {number}", f"识别进程 {number}", words)


def _model(worker: dict[str, Any]) -> str:
    if not worker["model"]:
        return say("no model yet", "尚无模型")
    on = say(f" on {worker['device']}", f"（{worker['device']}）") if worker["device"] else ""
    return f"{worker['model']}{on}"


def _requests(status: dict[str, Any]) -> str:
    inside, waiting = status["in_flight"], status["queue_depth"]
    return say(f"{inside} in flight, {waiting} waiting", f"{inside} 个处理中，{waiting} 个排队")


def _restarts(restarts: dict[str, Any]) -> str:
    if not restarts["last"]:
        return str(restarts["count"])
    newest = restarts["last"][-1]
    english, chinese = newest["cause"], newest["cause_zh"] or newest["cause"]
    last = say(f" (last: {english})", f"（最近一次：{chinese}）")
    return f"{restarts['count']}{last}"


def _start(worker: dict[str, Any]) -> str:
    """What a start is at, and how long the last one took."""
    stage, last = worker["stage"], worker["last_start_seconds"]
    if not stage:
        return ""
    told = say(f": {stage}", f"：{worker['stage_zh'] or stage}")
    if last is None:
        return told
    return told + say(f" (the last start took {last:.0f} s)", f"（上次启动用时 {last:.0f} 秒）")


def _since(process: dict[str, Any]) -> str:
    long, state = ago(process["since"]), process["state"]
    return say(f"{state} since {long[0]}", f"{state_in_chinese(state)}，已 {long[1]}")


def _beside(process: dict[str, Any] | None) -> str:
    if process is None:
        return say("none", "无")
    return f"pid {process['pid']}{say(', ', '，')}{_since(process)}"


def _addresses(status: dict[str, Any]) -> str:
    """The addresses of page and API, as the service listens on them."""
    told = ", ".join(one["address"] for one in status["listening"] if one["serves"] == "http")
    return told or str(status["url"])


def _gpus(gpu: dict[str, Any]) -> list[str]:
    if gpu["state"] == "absent":
        return [_row("gpu", "显卡", say("none (no driver)", "无（没有驱动）"))]
    if gpu["state"] == "unknown":
        return [
            _row("gpu", "显卡", say("unknown: the driver does not answer", "未知：驱动没有响应"))
        ]
    lost = [_row("gpu lost", "显卡丢失", one) for one in gpu["lost"]]
    return [*(_gpu(one, one["index"] in gpu["full_by_others"]) for one in gpu["gpus"]), *lost]


def _gpu(one: dict[str, Any], is_full_by_others: bool) -> str:
    used, total = one["used_bytes"] >> 20, one["total_bytes"] >> 20
    words = say(f"{used} of {total} MiB used", f"已用 {used} / {total} MiB")
    if is_full_by_others:
        words += say(", FULL, by other programs", "，已被其他程序占满")
    return _row(f"gpu {one['index']}", f"显卡 {one['index']}", f"{one['name']}, {words}")
