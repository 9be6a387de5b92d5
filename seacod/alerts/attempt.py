"""One try of one channel: for how long, and what is said of its end. Called by `delivery.py`,
`trial.py` and `seacod check`; nobody calls a channel's `send` or `greet` otherwise.

Whatever a receiver does, the try ends within the limit, and as an `Undelivered` or an answer that
is one printable line without a secret.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

import structlog

from seacod.alerts.alert import Message
from seacod.alerts.channels.base import Channel, Undelivered
from seacod.alerts.compose import Composed
from seacod.system.text import given_text
from seacod.system.text.masking import masked
from seacod.system.text.words import Words

T = TypeVar("T")
log = structlog.get_logger(__name__)

# From the look-up of the name to the last byte of the answer.
LIMIT_SECONDS = 60.0
_SHOWN = 500


async def send(channel: Channel[Any], composed: Composed, messages: Sequence[Message]) -> str:
    """Hand one message over; what was answered.

    Raises:
        Undelivered: it was not taken, whatever the reason.
    """
    return _line(await _bounded(channel, channel.send(composed, messages)))


async def greet(channel: Channel[Any]) -> Words:
    """Find out without sending anything whether a message could be sent; what was found out.

    Raises:
        Undelivered: why none could.
    """
    return await _bounded(channel, channel.greet())


async def _bounded(channel: Channel[Any], call: Awaitable[T]) -> T:
    try:
        return await asyncio.wait_for(call, LIMIT_SECONDS)
    except Undelivered as error:
        raise Undelivered(
            _line(error.answer),
            _line(error.chinese),
            is_final=error.is_final,
            is_ours=error.is_ours,
            reached=error.reached,
        ) from None
    except (TimeoutError, asyncio.TimeoutError):
        raise Undelivered(
            f"no answer within {LIMIT_SECONDS:g} s", f"{LIMIT_SECONDS:g} 秒内没有响应"
        ) from None
    except Exception as error:
        # A receiver that talks nonsense, or a mistake of ours: what it says may quote anything.
        stack = masked("".join(traceback.format_exception(error)))
        log.error("channel_broke", channel=channel.name, exception=stack)
        name = type(error).__name__
        raise Undelivered(
            f"unexpected: {name} (see the log)", f"未预料的错误：{name}（见日志）"
        ) from None


def _line(text: str) -> str:
    """What others said, as one line that a terminal shows as it is."""
    return given_text.one_line(masked(text), _SHOWN)
