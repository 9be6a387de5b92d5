"""One test message through one channel: for `seacod test-alert` and `seacod check --send`."""

from __future__ import annotations

from typing import Any

from seacod.alerts import attempt
from seacod.alerts.alert import Alert, Message
from seacod.alerts.channels.base import Channel
from seacod.alerts.compose import compose
from seacod.alerts.outbox import now


async def send_test(channel: Channel[Any]) -> str:
    """Send it, past the outbox; what was answered.

    Raises:
        Undelivered: it was not taken.
    """
    alert = Alert(
        "test", "", {"en": "If you read this, alerts of this machine arrive.",
                     "zh": "如果您看到此消息，说明本机的告警可以送达。"}, now(),
    )  # fmt: skip
    message = Message(
        id=0, channel=channel.name, alert=alert, count=1, state="waiting", attempts=0,
        made_at=now(), due_at=0.0, done_at=None, answer="",
    )  # fmt: skip
    return await attempt.send(channel, compose([message], channel.settings), [message])
