"""The messages of one client, one at a time: a wait that is given up loses none, and whoever goes
away while something is done for him is noticed. Used by `connection.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.websockets import WebSocket

from seacod.errors import ClientGone
from seacod.system.processes.waiting import end_task

T = TypeVar("T")


class Incoming:
    """
    Args:
        socket: accepted; nobody else receives on it.
    """

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._receiving: asyncio.Task[Any] | None = None

    async def next(
        self, timeout_seconds: float, *interrupts: asyncio.Event
    ) -> str | bytes | asyncio.Event | None:
        """The next message; the interrupt that came before it; None when neither came in time.

        Raises:
            ClientGone: the client closed the connection.
        """
        for interrupt in interrupts:
            if interrupt.is_set():
                return interrupt
        receiving = self._next()
        waits = {asyncio.ensure_future(one.wait()): one for one in interrupts}
        try:
            await asyncio.wait(
                {receiving, *waits}, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for wait in waits:
                wait.cancel()
        if receiving.done():
            self._receiving = None
            return _content(receiving.result())
        return next((one for wait, one in waits.items() if one.is_set()), None)

    async def meanwhile(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for the result of `work`, which is given up when the client goes away.

        Raises:
            ClientGone: the client went away.
        """
        task = asyncio.ensure_future(work)
        receiving = self._next()
        try:
            await asyncio.wait({task, receiving}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                # A message is taken when its turn comes; that there is none tells that he is gone.
                _content(receiving.result())
            return await task
        finally:
            await end_task(task)

    async def close(self) -> None:
        """Receive nothing more."""
        if self._receiving is not None:
            await end_task(self._receiving)

    def _next(self) -> asyncio.Task[Any]:
        if self._receiving is None:
            self._receiving = asyncio.ensure_future(self._socket.receive())
        return self._receiving


def _content(message: dict[str, Any]) -> str | bytes:
    if message["type"] == "websocket.disconnect":
        raise ClientGone("the client went away", "客户端已断开连接")
    sound = message.get("bytes")
    return sound if sound is not None else str(message.get("text") or "")
