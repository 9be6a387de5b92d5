"""Moves recordings to and from the places outside the database, and deletes there what is not
needed any more.

Lives on the worker's event loop. A place may hang for as long as it likes: who waits is told, the
thread is left alone (`place_threads.py`), and what lies there waits until the place answers again.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from seacod.errors import (
    NotFound,
    PlaceUnusable,
    RecordingUnreadable,
    SeacodError,
    StorageFull,
)
from seacod.jobs.address_book import Reserved, root_of
from seacod.jobs.database import said
from seacod.jobs.outside.place_threads import PlaceThreads
from seacod.jobs.outside.place_troubles import PlaceTroubles, Side
from seacod.jobs.outside.places import TRIED_BYTES, Move, RecordingPlaces
from seacod.jobs.store import JobStore

log = structlog.get_logger(__name__)

_TIDY_SECONDS = 10.0
# At a place that does not delete so many, no more is tried in this round.
_REFUSED_DELETIONS = 3
_MOST_BEGUN_WITH_BYTES = 8 << 20


class Act(Protocol):
    """`Jobs.act`."""

    def __call__(self, act: Callable[[JobStore], Any], /) -> Awaitable[Any]: ...


@dataclass(slots=True)
class _Round:
    """A round of deleting.

    Args:
        away: places where no more is tried in it.
        refused: addresses where it was tried in vain.
        refusals: how many, by place.
        problem: what one of them said.
    """

    away: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    refusals: Counter[str] = field(default_factory=Counter)
    problem: str = ""


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
        self._threads = PlaceThreads()
        self._troubles = PlaceTroubles(on_trouble)
        self._has_begun = False
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
        return self._troubles.unreadable | self._threads.hung

    async def recognise(self, reserved: Reserved) -> None:
        """See that the place is the one that is meant, before anything is put there.

        Raises:
            PlaceUnusable, StorageFull: it cannot be used now; says no more than a client needs.
        """
        root, identity, is_marked = reserved.root, reserved.identity, reserved.is_marked
        side = Side.READ
        try:
            if not await self._look(root, identity, is_marked=is_marked):
                side = Side.WRITE
                await self._threads.look(root, lambda move: self._places.mark(root, identity))
        except (PlaceUnusable, StorageFull) as error:
            self._troubles.failed(root, side, error)
            raise _refused(root, error) from None
        self._troubles.ended(root, Side.READ)

    async def send(self, incoming: Path, reserved: Reserved, sizes: Mapping[int, int]) -> None:
        """Put recordings of a job where there is room reserved for them.

        Args:
            incoming: a directory that has them by number.
            reserved: the room; its place was recognised.
            sizes: bytes of each.

        Raises:
            PlaceUnusable, StorageFull: as `recognise` says.
        """
        root = reserved.root
        for number, address in reserved.addresses.items():
            send = partial(self._places.send, incoming / f"{number:04}", address)
            try:
                await self._threads.do("send", address, send)
            except (PlaceUnusable, StorageFull) as error:
                self._troubles.failed(root, Side.WRITE, error, sizes[number])
                raise _refused(root, error) from None
        self._troubles.ended(root, Side.WRITE)

    async def settled(self, addresses: Collection[str]) -> None:
        """Wait until no thread is at these any more, however long it hangs."""
        await self._threads.settled(addresses)

    async def bring(self, address: str, target: Path, identity: str) -> None:
        """Copy a recording to this machine.

        Args:
            address: where it lies.
            target: where it is to be.
            identity: of its place.

        Raises:
            PlaceUnusable: its place cannot be used now.
            NotFound: its place can be used, and it is not there.
            RecordingUnreadable: its place can be used, and it cannot be read.
            OSError: of this machine.
        """
        root = root_of(address)
        try:
            # Before: what is not mounted has no recording either.
            await self._look(root, identity, is_marked=True)
            try:
                await self._threads.do(
                    "bring", address, lambda move: self._places.bring(address, target, move)
                )
            except (PlaceUnusable, NotFound) as error:
                # And after: it may have gone meanwhile.
                await self._look(root, identity, is_marked=True)
                if isinstance(error, NotFound):
                    raise
                raise RecordingUnreadable(error.message, error.chinese) from None
        except PlaceUnusable as error:
            self._troubles.failed(root, Side.READ, error)
            raise
        self._troubles.ended(root, Side.READ)

    async def run(self, act: Act) -> None:
        """Delete what is not needed any more, and look whether places can be used again, until
        cancelled.

        Args:
            act: calls the store.
        """
        while True:
            try:
                if not self._has_begun:
                    await self._begin(act)
                await self._look_again(act)
                is_all = await self._delete_doomed(act)
            except (OSError, SQLAlchemyError, SeacodError) as error:
                # The runner tells of a database that is away.
                log.debug("recordings_not_tidied", error=said(error))
                is_all = True
            except Exception:
                log.exception("recordings_not_tidied")
                is_all = True
            if is_all:
                await asyncio.sleep(_TIDY_SECONDS)

    async def _begin(self, act: Act) -> None:
        """A worker before this one may have told of a place that can be used now."""
        root = self.root
        if root:
            identity, is_marked = await act(partial(JobStore.identity_of, root=root))
            side = Side.READ
            try:
                # Nobody knows whose it has to be before somebody has used it.
                if identity:
                    await self._look(root, identity, is_marked=is_marked)
                side = Side.WRITE
                await self._try_out(root, min(self._from_bytes, _MOST_BEGUN_WITH_BYTES))
            except (PlaceUnusable, StorageFull) as error:
                self._troubles.failed(root, side, error, self._from_bytes, is_refusal=False)
        self._has_begun = True
        self._troubles.went_well()

    async def _look_again(self, act: Act) -> None:
        for root in self._troubles.roots:
            if self._troubles.of(root, Side.READ) is not None:
                identity, is_marked = await act(partial(JobStore.identity_of, root=root))
                try:
                    await self._look(root, identity, is_marked=is_marked)
                except PlaceUnusable as error:
                    self._troubles.failed(root, Side.READ, error, is_refusal=False)
                    continue
                self._troubles.ended(root, Side.READ)
            await self._write_again(root)
        self._troubles.tell_full()

    async def _write_again(self, root: str) -> None:
        trouble = self._troubles.of(root, Side.WRITE)
        if trouble is None or (trouble.lacking_bytes and not trouble.is_quiet):
            return
        try:
            await self._try_out(root, trouble.lacking_bytes or TRIED_BYTES)
        except (PlaceUnusable, StorageFull) as error:
            self._troubles.failed(root, Side.WRITE, error, is_refusal=False)
        else:
            if trouble.is_quiet:
                self._troubles.ended(root, Side.WRITE)

    async def _delete_doomed(self, act: Act) -> bool:
        """Whether there is nothing more to do now."""
        until, this = time.monotonic() + _TIDY_SECONDS, _Round()
        is_all = False
        while not is_all and time.monotonic() < until:
            without = this.away | set(self.unreadable)
            but = this.refused | self._threads.late
            addresses: Sequence[str] = await act(partial(JobStore.doomed, without=without, but=but))
            is_all = not addresses
            gone: list[str] = []
            try:
                for address in addresses:
                    if root_of(address) not in this.away and await self._deleted(
                        act, address, this
                    ):
                        gone.append(address)
            finally:
                if gone:
                    await act(partial(JobStore.gone, addresses=gone))
                    log.info("recordings_deleted", recordings=len(gone))
        if this.problem and not self._has_failed_to_delete:
            log.error("recordings_not_deleted", error=this.problem)
        self._has_failed_to_delete = bool(this.problem)
        return is_all or bool(this.problem)

    async def _deleted(self, act: Act, address: str, this: _Round) -> bool:
        """Whether it was; otherwise it, or its whole place, has to wait for the next round."""
        root = root_of(address)
        try:
            if not await self._has_mark(act, root):
                this.away.add(root)
                return False
            # So short that it needs no account of how it gets on.
            await self._threads.do("delete", address, lambda _: self._places.delete(address))
        except (PlaceUnusable, StorageFull) as error:
            this.problem = error.message
            this.refused.add(address)
            this.refusals[root] += 1
            if this.refusals[root] == _REFUSED_DELETIONS or root in self.unreadable:
                this.away.add(root)
            return False
        return True

    async def _has_mark(self, act: Act, root: str) -> bool:
        """Whether the place is ours, now: from one that is not mounted, nothing can be deleted,
        though nothing is there.

        Raises:
            PlaceUnusable: it is not.
        """
        identity, is_marked = await act(partial(JobStore.identity_of, root=root))
        try:
            return await self._look(root, identity, is_marked=is_marked)
        except PlaceUnusable as error:
            self._troubles.failed(root, Side.READ, error, is_refusal=False)
            raise

    async def _look(self, root: str, identity: str, *, is_marked: bool) -> bool:
        found: list[bool] = []

        def look(move: Move) -> None:
            found.append(self._places.look(root, identity, is_marked=is_marked))

        await self._threads.look(root, look)
        return found[0]

    async def _try_out(self, root: str, size_bytes: int) -> None:
        await self._threads.look(root, lambda move: self._places.try_out(root, size_bytes, move))


def _refused(root: str, error: SeacodError) -> SeacodError:
    """What a client is told: it can do nothing about addresses and rights."""
    log.error("recordings_not_taken", place=root, error=error.message)
    if isinstance(error, StorageFull):
        return StorageFull(
            "there is no room for big recordings of batches at present; try again later",
            "批量任务的大录音暂无存储空间，请稍后重试",
        )
    return PlaceUnusable(
        "the place where big recordings of batches are kept cannot be used at present; try again "
        "later",
        "批量任务大录音的存放位置暂时无法使用，请稍后重试",
    )
