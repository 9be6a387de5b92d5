"""Counts the requests inside the worker: a drain ends when the last one has its answer, and
neighbours on the same socket see how much there is to do.

An ASGI application around ours. Microphones (WebSockets) are not waited for: they go to the next
worker by themselves (`live.py`); a recording that comes over one is (`Readiness.unfinished`). While
draining, each answer closes its connection, so that a client which keeps connections open goes on
with the next worker; what it sends meanwhile on an open one is still served. So does each answer
while a neighbour has much less to do. Who cannot be served in the time that a drain has is told so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seacod.errors import NotReady
from seacod.web.middleware import errors
from seacod.web.readiness import Readiness

# How long no request may have come before the last connections are closed.
_QUIET_SECONDS = 0.5
_LOOK_SECONDS = 0.05
# By then the next worker serves, or another node does.
_RETRY_SECONDS = 2


class _Inside:
    """One request that is being answered.

    Args:
        task: answers it.
    """

    __slots__ = ("has_begun", "is_turned_away", "is_uploading", "task")

    def __init__(self, task: asyncio.Task[object]) -> None:
        self.task = task
        # Its answer is on its way: nothing else can be said any more.
        self.has_begun = False
        # Some of its body came, and more will.
        self.is_uploading = False
        self.is_turned_away = False


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
        self._inside: set[_Inside] = set()

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
            task = asyncio.current_task()
            assert task is not None
            inside = _Inside(task)
            self._inside.add(inside)
            self.active += 1
            self.on_change()
            try:
                await app(scope, _watched(receive, inside), self._closing(send, inside))
            except asyncio.CancelledError:
                if not inside.is_turned_away or inside.has_begun:
                    raise
                await _tell(scope, receive, send)
            finally:
                self._inside.discard(inside)
                self.active -= 1
                self._last_at = time.monotonic()
                self.on_change()

        return counted

    def _closing(self, send: Send, inside: _Inside) -> Send:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                inside.has_begun = True
                if self._readiness.draining.is_set() or self.is_better_elsewhere():
                    MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        return sent

    def turn_away(self, *, uploads_only: bool = False) -> int:
        """Answer what cannot be finished in time with 503 and when to send it again.

        Args:
            uploads_only: only whose recording has not come whole.

        Returns:
            To how many.
        """
        count = 0
        for inside in self._inside:
            if inside.has_begun or inside.is_turned_away:
                continue
            if inside.is_uploading or not uploads_only:
                inside.is_turned_away = True
                inside.task.cancel()
                count += 1
        return count

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


def _watched(receive: Receive, inside: _Inside) -> Receive:
    async def received() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            inside.is_uploading = message.get("more_body", False)
        return message

    return received


async def _tell(scope: Scope, receive: Receive, send: Send) -> None:
    error = NotReady(
        "the service is being stopped or replaced and cannot finish this request; send it again",
        "服务正在停止或更换识别进程，未能完成本次请求，请重新发送",
        retry_after_seconds=_RETRY_SECONDS,
    )
    answer = errors.answer_error(Request(scope), error)
    answer.headers["connection"] = "close"
    await answer(scope, receive, send)


def _nobody_listens() -> None:
    """Used until somebody listens."""


def _never() -> bool:
    return False
