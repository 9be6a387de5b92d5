"""Signals of the supervisor as a queue: a handler does nothing but put its number there."""

from __future__ import annotations

import asyncio
import signal

_CAUGHT = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
# Those that ask for something and would end a service that is just starting: logrotate's, a reload.
_KEPT = (signal.SIGHUP, signal.SIGUSR1)
# Which of them came before there was a loop to take them.
_early: set[signal.Signals] = set()


def keep_early() -> None:
    """Keep what is asked for in the first moment until the supervisor handles it."""
    for number in _KEPT:
        signal.signal(number, lambda number, frame: _early.add(signal.Signals(number)))


class Signals:
    """Catches them from the moment it is made; needs the running loop."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[signal.Signals | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        for number in _CAUGHT:
            loop.add_signal_handler(number, self._queue.put_nowait, number)
        while _early:
            self._queue.put_nowait(_early.pop())

    async def next(self) -> signal.Signals | None:
        """The next signal; None when `end` was called."""
        return await self._queue.get()

    def end(self) -> None:
        """Nobody needs to wait any more."""
        self._queue.put_nowait(None)
