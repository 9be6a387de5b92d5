"""Signals of the supervisor as a queue: a handler does nothing but put its number there."""

from __future__ import annotations

import asyncio
import signal

_CAUGHT = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


class Signals:
    """Catches them from the moment it is made; needs the running loop."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[signal.Signals | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        for number in _CAUGHT:
            loop.add_signal_handler(number, self._queue.put_nowait, number)

    async def next(self) -> signal.Signals | None:
        """The next signal; None when `end` was called."""
        return await self._queue.get()

    def end(self) -> None:
        """Nobody needs to wait any more."""
        self._queue.put_nowait(None)
