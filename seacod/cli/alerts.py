"""`seacod alerts`, `seacod test-alert`, `seacod crashes`: what was told, whether telling works, and
what is known of past crashes. They read the service's state directory; nothing is changed in it.
"""

from __future__ import annotations

import asyncio
import datetime
import json
from pathlib import Path
from typing import Any

from seacod.alerts.channels.base import Undelivered
from seacod.alerts.compose import severity_of
from seacod.alerts.delivery import configured
from seacod.alerts.kinds import KINDS
from seacod.alerts.outbox import Message
from seacod.alerts.reading import open_outbox
from seacod.alerts.trial import send_test
from seacod.config import load_settings
from seacod.errors import EX_FAILURE, EX_OK, ConfigError
from seacod.paths import Paths
from seacod.supervisor.watch import crashes

_SHOWN = 50


def show(config: Path | None, *, as_json: bool) -> int:
    """What was sent and what waits, newest first."""
    with open_outbox(config) as outbox:
        messages = outbox.recent(_SHOWN)
        if as_json:
            print(json.dumps([_as_dict(m) for m in messages], ensure_ascii=False, indent=2))
            return EX_OK
        for kind, key, since in outbox.open_alerts():
            if kind in KINDS and KINDS[kind].has_recovery:
                print(f"open since {_time(since)}: {KINDS[kind].english} {key}".rstrip())
    if not messages:
        print("nothing was sent, and nothing waits")
    for message in messages:
        print(_line(message))
    return EX_OK


def kinds() -> int:
    """Every kind of alert there is."""
    for kind in KINDS.values():
        over = ", and when it is over" if kind.has_recovery else ""
        print(f"{kind.name:<16} {kind.severity.value:<9} {kind.english}{over}")
        print(f"{'':<26} {kind.chinese}")
    return EX_OK


def test(config: Path | None, wanted: list[str]) -> int:
    """Send one test message through each channel, and say what was answered."""
    settings = load_settings(config).alerts
    names = wanted or configured(settings)
    if not names:
        raise ConfigError(
            "alerts: no channel is configured; set alerts.mail_server with mail_from and mail_to, "
            "or the address of a DingTalk robot or a webhook",
            "尚未配置任何告警渠道；请设置 alerts.mail_server、mail_from、mail_to，"
            "或钉钉机器人、webhook",
        )
    failures = 0
    for name in names:
        if name not in configured(settings):
            print(f"{name}: not configured")
            failures += 1
            continue
        try:
            answer = asyncio.run(send_test(name, settings))
        except Undelivered as error:
            print(f"{name}: not taken: {error.answer}")
            failures += 1
        else:
            print(f"{name}: taken: {answer}")
    return EX_FAILURE if failures else EX_OK


def show_crashes(config: Path | None, *, as_json: bool) -> int:
    """The dossiers of past crashes, newest first."""
    kept = crashes.kept(Paths.resolve(load_settings(config)).state)
    if as_json:
        print(json.dumps(kept, ensure_ascii=False, indent=2))
        return EX_OK
    if not kept:
        print("no worker has crashed")
    for crash in kept:
        served = crash["served_seconds"]
        print(f"{_time(crash['at'])}  pid {crash['pid']}: {crash['cause']}")
        print(f"    while {crash['in_state']}, exit status {crash['status']}")
        if served is not None:
            lost = crash["lost_requests"]
            print(f"    had served for {served:.0f} s; {lost} requests were inside")
        if crash["last_recording"]:
            print(f"    last recording: {crash['last_recording']}")
        for line in crash["last_lines"][-3:]:
            print(f"    | {line}")
        print(f"    {crash['directory']}")
    return EX_OK


def _line(message: Message) -> str:
    alert = message.alert
    words = f"{'over: ' if alert.is_recovery else ''}{alert.text['en']}"
    count = f" ({message.count} times)" if message.count > 1 else ""
    state = message.state.replace("_", " ")
    if message.state == "waiting" and message.attempts:
        state = f"waiting, {message.attempts} tries, {message.answer}"
    head = f"{_time(alert.at)}  {severity_of(message).value:<8} {message.channel:<8} {state}"
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


def _time(at: float) -> str:
    return datetime.datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")
