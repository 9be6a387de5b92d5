"""The store of one worker while it is used: opened on its thread, opened anew when somebody has
removed it, and what an operator hears of it.

Lives on the worker's event loop; SQL and files are the thread's (`store_thread.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from seacod.errors import NotReady, SeacodError
from seacod.jobs.database import said
from seacod.jobs.model import JobFile
from seacod.jobs.store import JobStore
from seacod.jobs.store_thread import StoreThread
from seacod.system.text.words import Words, reason

log = structlog.get_logger(__name__)

# The disk may be full for a while; a result is not thrown away for that.
_AGAIN_SECONDS = 5.0
_CLOSE_SECONDS = 2.0
# A database that has failed for so long is told; a moment of it is nothing.
_TOLD_SECONDS = 30.0
_NAMED_LOST = 10
_TAKEN_AGAIN = ("jobs", "Batches are taken again.", "已恢复受理批量任务。")

T = TypeVar("T")


class OpenStore:
    """
    Args:
        open_store: opens the store, which is shared with the workers before, beside and after;
            called on the store's thread.
        owner: this worker, in the store.
        on_trouble: told what an operator should hear: a kind of alert, English, Chinese, and
            whether it is over.
    """

    def __init__(
        self,
        open_store: Callable[[], JobStore],
        owner: str,
        on_trouble: Callable[[str, str, str, bool], None],
    ) -> None:
        self._open_store = open_store
        self._owner = owner
        self._on_trouble = on_trouble
        self._store: JobStore | None = None
        # Set when it was tried for the first time to open it, well or not.
        self.tried = asyncio.Event()
        # Since when each look at it fails.
        self._failing_since: float | None = None
        self._is_told = False
        # Why batches cannot be taken until somebody does something about it.
        self.refusal: SeacodError | None = None
        self._thread = StoreThread(
            lambda: self._store.stalls if self._store is not None else None, self._gave_up
        )

    @property
    def is_open(self) -> bool:
        """Whether the store can be used; requests go on without a disk to write to."""
        return self._store is not None

    @property
    def store(self) -> JobStore:
        """
        Raises:
            NotReady: not opened yet, or just being written anew.
        """
        if self._store is None:
            raise NotReady(
                "the database of the batches is not open; try again in a moment",
                "批量任务数据库尚未就绪，请稍后重试",
            )
        return self._store

    async def act(self, act: Callable[[JobStore], T]) -> T:
        """Call the store, however long it takes.

        Raises:
            OSError, SQLAlchemyError: it cannot be used now.
            NotReady: it is not open.
        """
        return await self._thread.call(lambda: act(self.store))

    async def ask(
        self, act: Callable[[JobStore], T], too_late: Callable[[JobStore], object] | None = None
    ) -> T:
        """Call the store for a request that waits for the answer.

        Args:
            act: the call.
            too_late: takes it back where it went through after it was told that it had not.

        Raises:
            NotReady: it is not open, cannot be used now, or does not answer.
        """
        undo = None if too_late is None else lambda: too_late(self.store)
        return await self._thread.asked(lambda: act(self.store), undo)

    async def insist(self, trouble: str, file: JobFile, act: Callable[[JobStore], T]) -> T:
        """Repeat a call of the store until the disk has room and the database answers.

        Args:
            trouble: the event logged each time it fails.
            file: whose matter it is.
            act: the call.
        """
        while True:
            try:
                return await self.act(act)
            except NotReady as error:
                problem = error.message
            except (OSError, SQLAlchemyError) as error:
                problem = said(error)
            log.error(trouble, job=file.job, number=file.number, error=problem)
            await asyncio.sleep(_AGAIN_SECONDS)

    async def watch(self) -> None:
        """Look whether the database still answers, until cancelled."""
        await self._thread.watch()

    async def was_removed(self) -> bool:
        """Whether somebody has removed the database under us.

        Raises:
            OSError, SQLAlchemyError: nobody can say now.
        """
        return self._store is not None and await self._thread.call(self._store.was_removed)

    async def open(self) -> None:
        """Open it.

        Raises:
            OSError, SQLAlchemyError, SeacodError: it cannot be opened.
        """
        try:
            await self._thread.call(self._open)
        except SeacodError as error:
            self._refuse(error)
            raise
        finally:
            self.tried.set()
        self.refusal = None
        self._on_trouble(*_TAKEN_AGAIN, True)
        self._tell_lost()

    def _open(self) -> None:
        store = self._open_store()
        store.own(self._owner)
        self._store = store

    async def open_anew(self) -> None:
        """Go on after it was removed: it is written anew from what is open here still, and is empty
        where that cannot be. Another file in its place is used as it is.

        Raises:
            OSError, SQLAlchemyError, SeacodError: it cannot be opened.
        """
        removed, self._store = self.store, None
        is_written, problem = False, ""
        try:
            is_written = await self._thread.call(removed.write_anew)
        except (OSError, sqlite3.Error, SQLAlchemyError) as error:
            problem = said(error)
        with contextlib.suppress(OSError, SQLAlchemyError):
            await self._thread.call(removed.close)
        log.error("jobs_database_was_removed", is_written_anew=is_written, error=problem or None)
        await self.open()
        if is_written:
            self._on_trouble(
                "jobs_lost",
                "Somebody has removed the database of the batches while the service ran. It was "
                "written anew; a batch whose recordings were removed, too, says so itself.",
                "批量任务的数据库在运行中被删除，已重新写出；录音也被删除的文件会在任务中注明丢失。",
                False,
            )
        elif not problem:
            self._on_trouble(
                "jobs_lost",
                "Somebody has put another file in place of the database of the batches while the "
                "service ran. That one is used now; batches that it does not know are lost.",
                "批量任务的数据库在运行中被另一个文件替换；现使用该文件，其中没有的批量任务已丢失。",
                False,
            )

    async def close(self) -> None:
        """Give up the ownership of every file; one that does not answer keeps nobody: leases run
        out by themselves."""
        if self._store is not None:
            with contextlib.suppress(SQLAlchemyError, asyncio.TimeoutError):
                await asyncio.wait_for(self._thread.call(self._store.close), _CLOSE_SECONDS)
        self._thread.close()

    # -- what an operator hears ---------------------------------------------------------------

    def failed(self, error: OSError | SQLAlchemyError) -> None:
        """A look at it has failed."""
        if self._failing_since is None:
            self._failing_since = time.monotonic()
        if time.monotonic() - self._failing_since >= _TOLD_SECONDS:
            self._tell((said(error), reason(getattr(error, "orig", None) or error)[1]))

    def succeeded(self) -> None:
        """A look at it went well."""
        if self._is_told:
            self._on_trouble(*_TAKEN_AGAIN, True)
        self._failing_since, self._is_told = None, False

    def _gave_up(self) -> None:
        """Nobody waits for what does not answer."""
        self._tell(("it does not answer", "没有响应"))

    def _tell(self, problem: Words) -> None:
        if not self._is_told:
            self._is_told = True
            self._on_trouble(
                "jobs", f"Batches wait, their database cannot be used: {problem[0]}",
                f"批量任务暂停，数据库无法使用：{problem[1]}", False,
            )  # fmt: skip

    def _refuse(self, error: SeacodError) -> None:
        if self.refusal is None or self.refusal.message != error.message:
            self._on_trouble(
                "jobs", f"Batches cannot be taken: {error.message}.",
                f"无法受理批量任务：{error.chinese}。", False,
            )  # fmt: skip
        self.refusal = error

    def _tell_lost(self) -> None:
        """Name the jobs that a database which was made just now does not know."""
        if not (lost := self.store.lost):
            return
        named = ", ".join(lost[:_NAMED_LOST])
        more = len(lost) - _NAMED_LOST
        log.error("jobs_lost", jobs=list(lost[:_NAMED_LOST]), more=max(0, more))
        self._on_trouble(
            "jobs_lost",
            f"The database of the batches was lost, and with it {len(lost)} of the batches: "
            f"{named}{f' and {more} more' if more > 0 else ''}. Their recordings lie in "
            f"{self.store.blobs.directory} for a day; a backup (seacod restore) may "
            "still have these batches.",
            f"批量任务的数据库已丢失，其中 {len(lost)} 个任务无法找回：{named}"
            f"{f' 等另外 {more} 个' if more > 0 else ''}。录音在 {self.store.blobs.directory} "
            "中保留一天；可用备份恢复（seacod restore）。",
            False,
        )
