"""Work at places of recordings on threads of their own, which nobody waits for when they hang.

Each place has as many as it may have of each kind of work, so that one that hangs keeps no other;
and as long as a thread hangs there, no other is begun there.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass

from seacod.errors import PlaceUnusable
from seacod.jobs.address_book import root_of
from seacod.jobs.outside.places import Move
from seacod.system.processes.threads import on_thread

# Each takes the memory of two parts (`object_store.py`).
_AT_ONCE = 4
_LOOK_SECONDS = 1.0
# Of which nothing moves for so long, that hangs.
_SILENT_SECONDS = 30.0
# What is on its way and was not confirmed has longer: nothing is heard until it is there.
_SLOWEST_BYTES_A_SECOND = 500_000


@dataclass(frozen=True, slots=True)
class _Late:
    """A thread that nobody waits for any more."""

    root: str
    address: str
    move: Move


class PlaceThreads:
    """The threads of one worker that read and write at places; lives on its event loop."""

    def __init__(self) -> None:
        self._moves: defaultdict[tuple[str, str], set[Move]] = defaultdict(set)
        self._late: dict[asyncio.Future[None], _Late] = {}

    @property
    def hung(self) -> set[str]:
        """Places at which a thread hangs."""
        return {late.root for late in self._late.values() if _is_silent(late.move)}

    @property
    def late(self) -> set[str]:
        """Addresses at which a thread is that nobody waits for."""
        return {late.address for late in self._late.values()}

    async def settled(self, addresses: Collection[str]) -> None:
        """Wait until no thread is at these any more, however long it hangs."""
        while late := [one for one, at in self._late.items() if at.address in addresses]:
            await asyncio.wait(late)
            # What is told of their end follows.
            await asyncio.sleep(0)

    async def look(self, root: str, act: Callable[[Move], None]) -> None:
        """Have something done with a place itself; see `do`."""
        await self._do("look", root, root, act)

    async def do(self, kind: str, address: str, act: Callable[[Move], None]) -> None:
        """Have it done with a recording.

        Args:
            kind: of work; each has its own threads.
            address: of the recording.
            act: says to the `Move` that it gets on, and raises as it likes.

        Raises:
            PlaceUnusable: it hangs.
        """
        await self._do(kind, root_of(address), address, act)

    async def _do(self, kind: str, root: str, address: str, act: Callable[[Move], None]) -> None:
        moves = self._moves[kind, root]
        while True:
            if root in self.hung:
                raise _silent(address)
            if len(moves) < _AT_ONCE:
                break
            await asyncio.sleep(_LOOK_SECONDS / 10)
        move = Move()
        moves.add(move)
        doing = on_thread("seacod-recordings", lambda: act(move))
        doing.add_done_callback(lambda _: moves.discard(move))
        try:
            while True:
                await asyncio.wait({doing}, timeout=_LOOK_SECONDS)
                if doing.done():
                    return doing.result()
                if _is_silent(move):
                    raise _silent(address)
        finally:
            if not doing.done():
                move.is_given_up = True
                self._late[doing] = _Late(root, address, move)
                doing.add_done_callback(self._ended_late)

    def _ended_late(self, done: asyncio.Future[None]) -> None:
        if not done.cancelled():
            done.exception()  # nobody else asks
        self._late.pop(done, None)


def _is_silent(move: Move) -> bool:
    patience_seconds = _SILENT_SECONDS + move.outstanding_bytes / _SLOWEST_BYTES_A_SECOND
    return move.silent_seconds > patience_seconds


def _silent(address: str) -> PlaceUnusable:
    return PlaceUnusable(
        f"{address}: no answer for {_SILENT_SECONDS:g} s; try again in a moment",
        f"{address}：{_SILENT_SECONDS:g} 秒没有响应，请稍后重试",
    )
