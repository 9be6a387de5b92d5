"""Counts the requests inside the worker: a drain ends when the last one has its answer, and
neighbours on the same socket see how much there is to do.

An ASGI application around ours. Microphones (WebSockets) are not waited for: they go to the next
worker by themselves (`live.py`); a recording that comes over one is (`Readiness.unfinished`). While
draining, each answer closes its connection, so that a client which keeps connections open goes on
with the next worker; what it sends meanwhile on an open one is still served. So does each answer
while a neighbour has much less to do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seacod.web.readiness import Readiness

# How long no request may have come before the last connections are closed.
_QUIET_SECONDS = 0.5
_LOOK_SECONDS = 0.05


class Traffic:
    """Requests that are being answered now.

    Args:
        readiness: whether the worker drains.
    """

    def __init__(self, readiness: Readiness) -> None:
        self.active = 0
        # Called when a request comes or goes.
        self.on_change: Callable[[], None] = _nobody_listens
        # Whether a client does well to connect anew.
        self.is_better_elsewhere: Callable[[], bool] = _never
        self._readiness = readiness
        self._last_at = time.monotonic()

    @property
    def unanswered(self) -> int:
        """All that a drain waits for."""
        return self.active + self._readiness.left

    def around(self, app: ASGIApp) -> ASGIApp:
        """Wrap `app` so that its requests are counted."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            self.active += 1
            self.on_change()
            try:
                await app(scope, receive, self._closing(send))
            finally:
                self.active -= 1
                self._last_at = time.monotonic()
                self.on_change()

        return counted

    def _closing(self, send: Send) -> Send:
        async def sent(message: Message) -> None:
            is_start = message["type"] == "http.response.start"
            if is_start and (self._readiness.draining.is_set() or self.is_better_elsewhere()):
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        return sent

    async def drained(self, timeout_seconds: float) -> int:
        """Wait until every request has its answer and no new one comes on an open connection.

        Returns:
            How many requests are left unanswered when the time is over.
        """
        begun = self._last_at = time.monotonic()
        while (now := time.monotonic()) - begun < timeout_seconds:
            if self.unanswered == 0 and now - self._last_at >= _QUIET_SECONDS:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        return self.unanswered


def _nobody_listens() -> None:
    """Used until somebody listens."""


def _never() -> bool:
    return False
