"""Moves recordings to and from the places outside the database, on threads of their own, and
deletes there what is not needed any more.

Lives on the worker's event loop. A place may hang for as long as it likes: who waits is told, the
thread is left alone, and what lies there waits until the place answers again.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from seacod.errors import PlaceUnusable, SeacodError, StorageFull
from seacod.jobs.database import said
from seacod.jobs.outside import Reserved, root_of
from seacod.jobs.places import Move, RecordingPlaces
from seacod.jobs.store import JobStore
from seacod.system.threads import on_thread
from seacod.system.words import Words

log = structlog.get_logger(__name__)

# Of each kind of work, so that what hangs keeps no other kind; each takes the memory of two parts
# (`object_store.py`).
_AT_ONCE = 4
_LOOK_SECONDS = 1.0
# Of which nothing moves for so long, that hangs.
_SILENT_SECONDS = 30.0
_TIDY_SECONDS = 10.0
# A place that cannot be used for so long is told.
_TOLD_SECONDS = 30.0


class Act(Protocol):
    """`Jobs.act`."""

    def __call__(self, act: Callable[[JobStore], Any], /) -> Awaitable[Any]: ...


@dataclass(slots=True)
class _Trouble:
    """A place that cannot be used: since when on the monotonic clock, why, whether nothing can be
    read there, and whether somebody was told."""

    since: float
    why: Words
    is_unreadable: bool
    is_told: bool = False


class RecordingMover:
    """The recordings of one worker that lie outside.

    Args:
        root: where big recordings are put; empty for nowhere. They are read wherever they lie.
        from_bytes: what is big.
        places: reads and writes there.
        on_trouble: told an alert: English, Chinese, and whether it is over.
    """

    def __init__(
        self,
        root: str,
        from_bytes: int,
        places: RecordingPlaces,
        on_trouble: Callable[[str, str, bool], None] = lambda *told: None,
    ) -> None:
        self.root = root
        self._from_bytes = from_bytes
        self._places = places
        self._on_trouble = on_trouble
        self._troubles: dict[str, _Trouble] = {}
        self._moves: defaultdict[str, set[Move]] = defaultdict(set)
        # By address: threads that nobody waits for any more.
        self._late: dict[str, asyncio.Future[None]] = {}
        self._has_failed_to_delete = False

    def big(self, sizes: Sequence[int]) -> list[int]:
        """The numbers, from 1, of those that are put outside.

        Args:
            sizes: bytes of each.
        """
        if not self.root:
            return []
        return [number for number, size in enumerate(sizes, 1) if size >= self._from_bytes]

    @property
    def unreadable(self) -> Collection[str]:
        """Places of which nothing can be read at present."""
        return [root for root, one in self._troubles.items() if one.is_unreadable]

    async def send(self, incoming: Path, reserved: Reserved) -> None:
        """Put recordings of a job where there is room reserved for them.

        Raises:
            PlaceUnusable: the place cannot be used now.
            StorageFull: it has no room.
        """
        root, identity, is_marked = reserved.root, reserved.identity, reserved.is_marked
        recognise = partial(self._places.recognise, root, identity, is_marked=is_marked)
        try:
            await self._moved("send", root, _alone(recognise))
            for number, address in reserved.addresses.items():
                send = partial(self._places.send, incoming / f"{number:04}", address)
                await self._moved("send", address, send)
        except (PlaceUnusable, StorageFull) as error:
            self._failed(root, error, is_unreadable=False)
            raise
        self._went_well(root)

    async def settled(self, addresses: Collection[str]) -> None:
        """Wait until no thread is at these any more, however long it hangs."""
        for address in addresses:
            if (late := self._late.get(address)) is not None:
                await asyncio.wait({late})

    async def bring(self, address: str, target: Path, identity: str) -> None:
        """Copy a recording to this machine.

        Args:
            address: where it lies.
            target: where it is to be.
            identity: of its place.

        Raises:
            PlaceUnusable: its place cannot be used now.
            NotFound: it is not there.
            OSError: of this machine.
        """
        root = root_of(address)

        def bring(move: Move) -> None:
            # Before: what is not mounted has no recording either.
            self._places.recognise(root, identity, is_marked=True)
            self._places.bring(address, target, move)

        try:
            await self._moved("bring", address, bring)
        except PlaceUnusable as error:
            self._failed(root, error, is_unreadable=True)
            raise
        self._went_well(root)

    async def run(self, act: Act) -> None:
        """Delete what is not needed any more, and look whether places can be used again, until
        cancelled.

        Args:
            act: calls the store.
        """
        while True:
            try:
                await self._look_again(act)
                is_all = await self._delete_some(act)
            except (OSError, SQLAlchemyError, SeacodError) as error:
                # The runner tells of a database that is away.
                log.debug("recordings_not_tidied", error=said(error))
                is_all = True
            except Exception:
                log.exception("recordings_not_tidied")
                is_all = True
            if is_all:
                await asyncio.sleep(_TIDY_SECONDS)

    async def _look_again(self, act: Act) -> None:
        for root, trouble in tuple(self._troubles.items()):
            identity, is_marked = await act(partial(_identity, root=root))

            def look(
                move: Move, root: str = root, identity: str = identity, marked: bool = is_marked
            ) -> None:
                self._places.look(root, identity, is_marked=marked)
                self._places.try_out(root)

            try:
                await self._moved("look", root, look)
            except (PlaceUnusable, StorageFull) as error:
                self._failed(root, error, is_unreadable=trouble.is_unreadable)
            else:
                self._went_well(root)

    async def _delete_some(self, act: Act) -> bool:
        """Whether there is nothing more to do now."""
        addresses: Sequence[str] = await act(lambda store: store.doomed())
        gone = []
        problem = ""
        for address in addresses:
            if address in self._late or root_of(address) in self._troubles:
                continue
            try:
                delete = partial(self._places.delete, address)
                await self._moved("delete", address, _alone(delete))
            except PlaceUnusable as error:
                problem = error.message
                break
            gone.append(address)
        if gone:
            await act(lambda store: store.gone(gone))
            log.info("recordings_deleted", recordings=len(gone))
        if problem and not self._has_failed_to_delete:
            log.error("recordings_not_deleted", error=problem)
        self._has_failed_to_delete = bool(problem)
        return not gone

    async def _moved(self, kind: str, address: str, act: Callable[[Move], None]) -> None:
        """Have it done on a thread.

        Raises:
            PlaceUnusable: it hangs.
        """
        moves = self._moves[kind]
        while len(moves) >= _AT_ONCE:
            if min(one.silent_seconds for one in moves) > _SILENT_SECONDS:
                raise _silent(address)
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
                if move.silent_seconds > _SILENT_SECONDS:
                    raise _silent(address)
        finally:
            if not doing.done():
                move.is_given_up = True
                self._late[address] = doing
                doing.add_done_callback(lambda done: self._ended_late(address, done))

    def _ended_late(self, address: str, done: asyncio.Future[None]) -> None:
        if not done.cancelled():
            done.exception()  # nobody else asks
        if self._late.get(address) is done:
            del self._late[address]

    def _failed(self, root: str, error: SeacodError, *, is_unreadable: bool) -> None:
        now = time.monotonic()
        trouble = self._troubles.get(root)
        if trouble is None:
            log.error("recordings_place_unusable", place=root, error=error.message)
            trouble = self._troubles[root] = _Trouble(now, error.words, is_unreadable)
        trouble.is_unreadable |= is_unreadable
        trouble.why = error.words
        if not trouble.is_told and now - trouble.since >= _TOLD_SECONDS:
            trouble.is_told = True
            self._on_trouble(
                f"Batches with big recordings wait or are refused, the place of these cannot be "
                f"used: {error.message}",
                f"含大录音的批量任务暂停或被拒绝，录音存放位置无法使用：{error.chinese}",
                False,
            )

    def _went_well(self, root: str) -> None:
        if (trouble := self._troubles.pop(root, None)) is None:
            return
        log.info("recordings_place_usable", place=root)
        if trouble.is_told:
            self._on_trouble(
                "The place of the recordings of batches can be used again.",
                "批量任务录音的存放位置已恢复可用。", True,
            )  # fmt: skip


def _identity(store: JobStore, root: str) -> tuple[str, bool]:
    return store.identity_of(root)


def _alone(act: Callable[[], None]) -> Callable[[Move], None]:
    """What is so short that it needs no account of how it gets on."""
    return lambda move: act()


def _silent(address: str) -> PlaceUnusable:
    return PlaceUnusable(
        f"{address}: no answer for {_SILENT_SECONDS:g} s; try again in a moment",
        f"{address}：{_SILENT_SECONDS:g} 秒没有响应，请稍后重试",
    )
