"""The one thread on which the store of a worker is called, and what becomes of those who wait for
it when the database no longer answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from seacod.errors import NotReady
from seacod.jobs.database import said
from seacod.jobs.stalls import Stalls

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0
# Whoever waits is told so when nothing has come for so long, ...
_TOLD_SECONDS = 5.0
# ... and then the connections are given up. PostgreSQL itself ends waiting for a lock earlier.
_GIVEN_UP_SECONDS = 15.0

T = TypeVar("T")


class StoreThread:
    """Lives on the event loop.

    Args:
        stalls: gives what watches the database that is open now; None while none is.
        on_given_up: told each time the connections were broken off.
    """

    def __init__(
        self, stalls: Callable[[], Stalls | None], on_given_up: Callable[[], None]
    ) -> None:
        self._stalls = stalls
        self._on_given_up = on_given_up
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="seacod-jobs")
        self._stalled = asyncio.Event()
        self._has_given_up = False

    async def call(self, act: Callable[[], T]) -> T:
        """Call the store, however long it takes; what it raises is raised here."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._watched, act)

    async def asked(self, act: Callable[[], T], too_late: Callable[[], object] | None = None) -> T:
        """Call the store for a request that waits for the answer.

        Args:
            act: the call.
            too_late: takes it back where it went through after it was told that it had not.

        Raises:
            NotReady: the database cannot be used now, or does not answer.
        """
        if self._stalled.is_set():
            raise not_answering()
        calling = asyncio.ensure_future(self.call(act))
        stalling = asyncio.ensure_future(self._stalled.wait())
        try:
            await asyncio.wait({calling, stalling}, return_when=asyncio.FIRST_COMPLETED)
            if calling.done():
                return calling.result()
        except SQLAlchemyError as error:
            log.error("jobs_database_unavailable", error=said(error))
            raise not_answering() from None
        finally:
            stalling.cancel()
            if not calling.done():
                calling.add_done_callback(lambda done: self._ended_late(done, too_late))
        raise not_answering()

    async def watch(self) -> None:
        """Look whether the database still answers, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                self._look()
            except Exception:
                log.exception("jobs_watch_broke")

    def _look(self) -> None:
        stalls = self._stalls()
        seconds = stalls.seconds if stalls is not None else 0.0
        if seconds < _TOLD_SECONDS:
            self._stalled.clear()
            self._has_given_up = False
            return
        if not self._stalled.is_set():
            log.error("jobs_database_stalled", seconds=round(seconds, 1))
            self._stalled.set()
        if stalls is None or stalls.is_embedded or seconds < _GIVEN_UP_SECONDS:
            return
        stalls.break_off()
        if not self._has_given_up:
            self._has_given_up = True
            log.error("jobs_database_given_up", seconds=round(seconds, 1))
            self._on_given_up()

    def close(self) -> None:
        """Wait for nothing: the process is about to end."""
        self._thread.shutdown(wait=False)

    def _watched(self, act: Callable[[], T]) -> T:
        stalls = self._stalls()
        with stalls.working() if stalls is not None else contextlib.nullcontext():
            return act()

    def _ended_late(self, done: asyncio.Future[T], too_late: Callable[[], object] | None) -> None:
        if done.cancelled() or done.exception() is not None or too_late is None:
            return
        # Closed meanwhile: the process ends.
        with contextlib.suppress(RuntimeError):
            self._thread.submit(self._watched, too_late)


def not_answering() -> NotReady:
    """For whoever waits for the database."""
    return NotReady(
        "the database of the batches does not answer at present; try again in a moment",
        "批量任务的数据库暂时无法访问，请稍后重试",
    )
