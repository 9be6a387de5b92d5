"""`seacod alerts`: what was sent to the operator, what waits. Reads the service's outbox."""

from __future__ import annotations

import argparse
import json
from typing import Any

from seacod.alerts.alert import Message
from seacod.alerts.compose import severity_of
from seacod.alerts.kinds import KINDS
from seacod.alerts.reading import open_outbox
from seacod.cli.options import add_config, add_json
from seacod.errors import EX_OK
from seacod.system.text.terminal import date_and_time, print_words, printable
from seacod.system.text.terminal import in_language as say

HELP = "alerts sent to the operator, and those that wait"
_SHOWN = 50
_STATES = {"waiting": "待发送", "delivered": "已送达", "given_up": "已放弃"}


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kinds", action="store_true", help="every kind of alert there is")
    add_json(parser, "as JSON")
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """What was sent and what waits, newest first; or every kind there is."""
    if options.kinds:
        return _kinds()
    with open_outbox(options.config) as outbox:
        messages = outbox.recent(_SHOWN)
        if options.json:
            print(json.dumps([_as_dict(m) for m in messages], ensure_ascii=False, indent=2))
            return EX_OK
        for kind, key, since in outbox.open_alerts():
            if kind in KINDS and KINDS[kind].has_recovery:
                at, one = date_and_time(since), KINDS[kind]
                words = say(
                    f"open since {at}: {one.english} {key}", f"{at} 起：{one.chinese} {key}"
                )
                print(printable(words.rstrip()))
    if not messages:
        print_words("no alert was sent, and none waits", "没有发送过告警，也没有待发送的告警")
    for message in messages:
        print(_line(message))
    return EX_OK


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
    return {
        "id": message.id,
        "channel": message.channel,
        "state": message.state,
        "attempts": message.attempts,
        "answer": message.answer,
        "kind": message.alert.kind,
        "key": message.alert.key,
        "is_recovery": message.alert.is_recovery,
        "severity": severity_of(message).value,
        "at": message.alert.at,
        "count": message.count,
        "text": message.alert.text,
    }
