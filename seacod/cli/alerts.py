"""`seacod alerts`: what was sent to the operator, what waits."""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path
from typing import Any

from seacod.alerts.alert import SHOWN_MESSAGES, Message, as_plain, of_plain
from seacod.alerts.compose import severity_of
from seacod.alerts.kinds import KINDS
from seacod.alerts.reading import open_outbox
from seacod.cli.options import add_config, add_json
from seacod.client import status_socket
from seacod.config.load import load_settings
from seacod.errors import EX_OK, SeacodError
from seacod.paths import Paths
from seacod.system.text.terminal import date_and_time, print_words, printable
from seacod.system.text.terminal import in_language as say

HELP = "alerts sent to the operator, and those that wait"
_STATES = {"waiting": "待发送", "delivered": "已送达", "given_up": "已放弃"}


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kinds", action="store_true", help="every kind of alert there is")
    add_json(parser, "as JSON")
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """What was sent and what waits, newest first; or every kind there is."""
    if options.kinds:
        return _kinds()
    messages, still_open = _read(options.config)
    if options.json:
        print(json.dumps([_as_dict(m) for m in messages], ensure_ascii=False, indent=2))
        return EX_OK
    for kind, key, since in still_open:
        if kind in KINDS:
            at, one = date_and_time(since), KINDS[kind]
            words = say(f"open since {at}: {one.english} {key}", f"{at} 起：{one.chinese} {key}")
            print(printable(words.rstrip()))
    if not messages:
        print_words("no alert was sent, and none waits", "没有发送过告警，也没有待发送的告警")
    for message in messages:
        print(_line(message))
    return EX_OK


def _read(config: Path | None) -> tuple[list[Message], list[tuple[str, str, float]]]:
    """The newest messages, newest first; and kind, key and beginning of what is not over. Of the
    service itself while it cannot write them down (a full disk), or else from its file."""
    with contextlib.suppress(SeacodError):
        status = status_socket.status(config)
        alerts, state = status["alerts"], str(Paths.resolve(load_settings(config)).state)
        if alerts and alerts["unwritten"] is not None and status["paths"].get("state") == state:
            found = [(one["kind"], one["key"], one["since"]) for one in alerts["open"]]
            return [of_plain(one) for one in alerts["unwritten"]], found
    with open_outbox(config) as outbox:
        return outbox.recent(SHOWN_MESSAGES), outbox.open_until_over()


def _kinds() -> int:
    for kind in KINDS.values():
        over = (", and when it is over", "（恢复时也会通知）") if kind.has_recovery else ("", "")
        words = say(f"{kind.english}{over[0]}", f"{kind.chinese}{over[1]}")
        print(f"{kind.name:<16} {kind.severity.value:<9} {words}")
    return EX_OK


def _line(message: Message) -> str:
    alert = message.alert
    text = say(alert.text["en"], alert.text.get("zh") or alert.text["en"])
    words = f"{say('over: ', '已恢复：') if alert.is_recovery else ''}{text}"
    count = (
        say(f" ({message.count} times)", f"（共 {message.count} 次）") if message.count > 1 else ""
    )
    state = say(message.state.replace("_", " "), _STATES.get(message.state, message.state))
    if message.state == "waiting" and message.attempts:
        state = say(
            f"waiting, {message.attempts} tries, {message.answer}",
            f"待发送，已尝试 {message.attempts} 次，对方答复“{message.answer}”",
        )
    head = (
        f"{date_and_time(alert.at)}  {severity_of(message).value:<8} {message.channel:<8} {state}"
    )
    what = f"{alert.kind} {alert.key}: {words}{count}".replace(" :", ":")
    return f"{printable(head)}\n    {printable(what)}"


def _as_dict(message: Message) -> dict[str, Any]:
    return {**as_plain(message), "severity": severity_of(message).value}
