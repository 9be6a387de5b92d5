"""A semaphore that is fair to clients. Used by `pool.py`, on the event loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class _WaitingTurn:
    client: str
    turn: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class FairSemaphore:
    """The next turn is that of the client that holds fewest, of several of the one that waits
    longest; so one who sends hundreds of slow recordings keeps another one waiting for one of them
    at most.

    Args:
        count: how many may hold it at once; it may change meanwhile.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._held: Counter[str] = Counter()
        self._waiting: list[_WaitingTurn] = []

    def resize(self, count: int) -> None:
        """So many may hold it from now on; who does, goes on."""
        self._count = count
        self._call_next()

    @asynccontextmanager
    async def held(self, client: str) -> AsyncGenerator[None]:
        """Wait for the turn and hold it for the time of the block."""
        one = _WaitingTurn(client)
        self._waiting.append(one)
        self._call_next()
        try:
            await one.turn
            yield
        finally:
            if one in self._waiting:
                self._waiting.remove(one)
            else:
                self._held[client] -= 1
                if not self._held[client]:
                    del self._held[client]
            self._call_next()

    def _call_next(self) -> None:
        while self._waiting and self._held.total() < self._count:
            one = min(self._waiting, key=lambda waiting: self._held[waiting.client])
            self._waiting.remove(one)
            self._held[one.client] += 1
            if not one.turn.done():
                one.turn.set_result(None)
