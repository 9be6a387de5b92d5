"""The recordings of a worker's jobs on their way: big ones of a new job to the place outside the
database that nodes share, each one to this machine when its turn comes, and away again where their
job was not taken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import structlog
from sqlalchemy.exc import SQLAlchemyError

from seacod.errors import NotFound, NotReady, RecordingLost, RecordingUnreadable
from seacod.jobs.address_book import root_of
from seacod.jobs.database import said
from seacod.jobs.model import JobFile
from seacod.jobs.open_store import OpenStore
from seacod.jobs.outside.moving import RecordingMover
from seacod.jobs.store import JobStore

log = structlog.get_logger(__name__)

_TROUBLE = "recording_not_read"
# So often a recording is read that cannot be, where others can.
_READ_TRIES = 3
_READ_AGAIN_SECONDS = 5.0


class JobRecordings:
    """
    Args:
        opened: the store.
        mover: of those that lie outside; None where the database is this machine's alone.
    """

    def __init__(self, opened: OpenStore, mover: RecordingMover | None) -> None:
        self._opened = opened
        self._mover = mover
        self._forgetting: set[asyncio.Task[None]] = set()

    @property
    def unreadable(self) -> Collection[str]:
        """Places of which nothing can be read at present."""
        return () if self._mover is None else self._mover.unreadable

    async def run(self) -> None:
        """Delete outside what is not needed any more, until cancelled."""
        if self._mover is not None:
            await self._mover.run(self._opened.act)

    async def sent_out(self, job: str, files: Sequence[tuple[str, int]]) -> Mapping[int, str]:
        """Put the big ones of a job outside; where they lie, by number.

        Args:
            job: not accepted yet.
            files: name and bytes of each.

        Raises:
            PlaceUnusable, StorageFull: they cannot be put there now.
            NotReady: the database cannot be used now.
        """
        mover = self._mover
        if mover is None or not (numbers := mover.big([size for _, size in files])):
            return {}
        sizes = {number: files[number - 1][1] for number in numbers}
        reserved = await self._opened.ask(lambda store: store.reserve(mover.root, job, numbers))
        is_begun = False
        try:
            await mover.recognise(reserved)
            if not reserved.is_marked:
                await self._opened.ask(lambda store: store.place_is_marked(mover.root))
            is_begun = True
            await mover.send(self._opened.store.blobs.incoming(job), reserved, sizes)
        except BaseException:
            # Of a job that is not accepted nothing stays.
            addresses = list(reserved.addresses.values())
            forgetting = asyncio.ensure_future(self._forget(job, addresses, is_begun=is_begun))
            self._forgetting.add(forgetting)
            forgetting.add_done_callback(self._forgetting.discard)
            raise
        return reserved.addresses

    async def _forget(self, job: str, addresses: Collection[str], *, is_begun: bool) -> None:
        """Have deleted what was put there; where nothing was, nothing has to be deleted first."""
        assert self._mover is not None
        await self._mover.settled(addresses)
        # What cannot be written down now is swept later.
        with contextlib.suppress(OSError, RuntimeError, SQLAlchemyError, NotReady):
            if is_begun:
                await self._opened.act(lambda store: store.blobs.not_needed_outside(job))
            else:
                await self._opened.act(lambda store: store.gone(addresses))

    async def fetched(self, file: JobFile) -> Path:
        """The recording, on this machine.

        Raises:
            RecordingLost: it is not there any more.
            RecordingUnreadable: it cannot be read, again and again.
            PlaceUnusable: where it lies cannot be used now.
        """
        opened = self._opened
        if not file.place or self._mover is None:
            return await opened.insist(_TROUBLE, file, lambda store: _fetched_here(store, file))
        identity, _ = await opened.insist(
            _TROUBLE, file, lambda store: store.identity_of(root_of(file.place))
        )
        tries = 0
        while True:
            try:
                target = await opened.insist(_TROUBLE, file, lambda store: store.blobs.path(file))
                await self._mover.bring(file.place, target, identity)
                return target
            except NotFound:
                raise _lost() from None
            except RecordingUnreadable as error:
                problem = error.message
                tries += 1
                if tries == _READ_TRIES:
                    raise _unreadable() from None
            except OSError as error:
                # Of our own disk.
                problem = said(error)
            log.error(_TROUBLE, job=file.job, number=file.number, error=problem)
            await asyncio.sleep(_READ_AGAIN_SECONDS)


def _fetched_here(store: JobStore, file: JobFile) -> Path:
    if not store.blobs.has(file):
        raise _lost()
    return store.blobs.fetch(file)


def _lost() -> RecordingLost:
    return RecordingLost(
        "the recording is no longer where the server keeps it; send it again",
        "服务器上的录音已不存在，请重新提交",
    )


def _unreadable() -> RecordingUnreadable:
    return RecordingUnreadable(
        "the server cannot read the recording where it is kept; once its operator has mended that "
        "(the log names it), try the batch again",
        "服务器无法读取该录音，请联系管理员（详情见日志），修复后可重试该任务",
    )
