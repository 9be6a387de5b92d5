"""Refuses new work while this worker holds too much memory, before the kernel refuses it for us.

An ASGI application around ours, put there by `application.py`. Only what brings work is refused
(503), and only while there is other work inside: a worker that stays big by itself is for the watch
over leaks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from seacod.config.in_use import SettingsInUse
from seacod.errors import ResourcesExhausted
from seacod.system.processes import heap
from seacod.web.middleware.errors import answer_error

log = structlog.get_logger(__name__)

# So old a reading may be.
_FRESH_SECONDS = 0.5
# What was freed is given back to the system so often at most; it takes up to a third of a second.
_TRIM_SECONDS = 10.0
_RETRY_SECONDS = 10


class MemoryGuard:
    """
    Args:
        settings: those in use.
        is_busy: whether there is work inside.
        held: bytes of memory that are this process's own.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        settings: SettingsInUse,
        is_busy: Callable[[], bool],
        *,
        held: Callable[[], int | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._is_busy = is_busy
        self._held = held or anonymous_bytes
        self._clock = clock
        # What it held when it began to serve.
        self._before: int | None = None
        self._last = 0
        self._read_at = self._trimmed_at = -_TRIM_SECONDS

    def begin(self) -> None:
        """The model is loaded and has worked: what comes on top is for requests."""
        self._before = self._held()

    async def has_room(self) -> bool:
        """Whether new work may come."""
        growth = self._settings.current.limits.memory_growth_bytes
        if not growth or self._before is None or not self._is_busy():
            return True
        most = self._before + growth
        if self._now() <= most:
            return True
        if self._clock() - self._trimmed_at >= _TRIM_SECONDS:
            self._trimmed_at = self._clock()
            await asyncio.to_thread(heap.give_back)
            self._read_at = -_FRESH_SECONDS
        return self._now() <= most

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application that refuses, in front of the one that does the work."""

        async def guard(scope: Scope, receive: Receive, send: Send) -> None:
            brings_work = scope["type"] == "websocket" or (
                scope["type"] == "http" and scope["method"] == "POST"
            )
            if not brings_work or await self.has_room():
                await app(scope, receive, send)
                return
            log.warning("work_refused", cause="memory", held_mib=self._last >> 20)
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1013})
                return
            busy = ResourcesExhausted(
                "the service has no memory for more work at present; try again in "
                f"{_RETRY_SECONDS} s",
                f"服务内存不足，暂时无法接收新任务；请在 {_RETRY_SECONDS} 秒后重试",
                retry_after_seconds=_RETRY_SECONDS,
            )
            await answer_error(Request(scope, receive), busy)(scope, receive, send)

        return guard

    def _now(self) -> int:
        if self._clock() - self._read_at >= _FRESH_SECONDS:
            self._last = self._held() or 0
            self._read_at = self._clock()
        return self._last


def anonymous_bytes() -> int | None:
    """Memory of this process that no file has a copy of: the mapped model is not counted."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None
