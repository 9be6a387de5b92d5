"""`seacod alerts`: what was sent to the operator, what waits. Reads the service's outbox."""

from __future__ import annotations

import argparse
import json
from typing import Any

from seacod.alerts.compose import severity_of
from seacod.alerts.kinds import KINDS
from seacod.alerts.outbox import Message
from seacod.alerts.reading import open_outbox
from seacod.cli.options import add_config, add_json
from seacod.errors import EX_OK
from seacod.system.terminal import date_and_time

HELP = "alerts sent to the operator, and those that wait"
_SHOWN = 50


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
                print(f"open since {date_and_time(since)}: {KINDS[kind].english} {key}".rstrip())
    if not messages:
        print("no alert was sent, and none waits")
    for message in messages:
        print(_line(message))
    return EX_OK


def _kinds() -> int:
    for kind in KINDS.values():
        over = ", and when it is over" if kind.has_recovery else ""
        print(f"{kind.name:<16} {kind.severity.value:<9} {kind.english}{over}")
        print(f"{'':<26} {kind.chinese}")
    return EX_OK


def _line(message: Message) -> str:
    alert = message.alert
    words = f"{'over: ' if alert.is_recovery else ''}{alert.text['en']}"
    count = f" ({message.count} times)" if message.count > 1 else ""
    state = message.state.replace("_", " ")
    if message.state == "waiting" and message.attempts:
        state = f"waiting, {message.attempts} tries, {message.answer}"
    head = (
        f"{date_and_time(alert.at)}  {severity_of(message).value:<8} {message.channel:<8} {state}"
    )
    return f"{head}\n    {alert.kind} {alert.key}: {words}{count}".replace(" :", ":")


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
