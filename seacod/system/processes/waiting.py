"""Waiting: for as long as a setting says that a reload may change meanwhile; for a task to end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

_LOOK_SECONDS = 1.0


async def wait_at_most(seconds: float, asked: Callable[[], float]) -> None:
    """Wait; a setting that becomes shorter is heard within a second.

    One that becomes longer counts from the next time: others were told when to expect this one.

    Args:
        seconds: how long the setting said when the wait began.
        asked: what it says now.
    """
    began = time.monotonic()
    while True:
        left = min(seconds, asked()) - (time.monotonic() - began)
        if left <= 0:
            return
        await asyncio.sleep(min(left, _LOOK_SECONDS))


async def end_task(task: asyncio.Future[Any]) -> None:
    """Cancel it and see it gone. Its error, if any, is dropped: nobody is left who wants it."""
    task.cancel()
    await asyncio.wait({task})
    task.cancelled() or task.exception()
