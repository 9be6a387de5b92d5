"""Recognises the files of all jobs, a few at a time, after the requests of people.

Lives on the worker's event loop. What is running when the worker is told to drain is finished if
there is time, otherwise put back; what is running when it crashes is taken back by the next one, or
by another beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from seacod.asr.choice import EVERYTHING, SoundChoice
from seacod.asr.service import TranscriptionService
from seacod.config.in_use import SettingsInUse
from seacod.errors import SeacodError
from seacod.jobs.database import said
from seacod.jobs.file_work import FileWork
from seacod.jobs.model import ORPHAN_SECONDS, Job, JobFile, Submission
from seacod.jobs.open_store import OpenStore
from seacod.jobs.outside.job_recordings import JobRecordings
from seacod.jobs.outside.moving import RecordingMover
from seacod.jobs.store import JobStore
from seacod.system.clock_jumps import ClockJumps, is_unset
from seacod.system.processes.waiting import end_task

log = structlog.get_logger(__name__)

# How often it looks for files that another worker put back, or that a dead one had.
_LOOK_SECONDS = 2.0
_EXPIRY_SECONDS = 600.0
_PUT_BACK_SECONDS = 2.0
# A drain waits for running files no longer; the next worker begins them again.
_FINISH_SECONDS = 5.0
# An owner that has gone belongs to another worker, whose supervisor tells us how it ended. So long
# that is waited for before it counts as an interruption.
_BLAME_SECONDS = 5.0
_BLAMED_KEPT = 20
# Who begins to serve waits so long for the store: mostly it is open by then, and nobody is turned
# away. One that hangs keeps nobody else waiting.
_HEAD_START_SECONDS = 1.0

T = TypeVar("T")


class Jobs:
    """The jobs of one worker.

    Args:
        open_store: opens the store, which is shared with the workers before, beside and after;
            called on the store's thread.
        service: recognises the recordings.
        settings: those in use.
        on_trouble: told what an operator should hear: a kind of alert, English, Chinese, and
            whether it is over.
        is_paused: whether no further file is to be begun.
        mover: of recordings that lie outside a database which nodes share.
        clock: knows by how much what is kept may look older than it is.
    """

    def __init__(
        self,
        open_store: Callable[[], JobStore],
        service: TranscriptionService,
        settings: SettingsInUse,
        on_trouble: Callable[[str, str, str, bool], None] = lambda *told: None,
        is_paused: Callable[[], bool] = lambda: False,
        mover: RecordingMover | None = None,
        clock: ClockJumps | None = None,
        database_clock_file: Path | None = None,
    ) -> None:
        self._service = service
        self._settings = settings
        self._is_paused = is_paused
        self._clock = clock or ClockJumps()
        self._clocks = [self._clock]
        # As it was read last. That of a machine elsewhere makes jobs old, and is set, too.
        self._database_now = 0.0
        if database_clock_file is not None:
            self._clocks.append(ClockJumps(database_clock_file, wall=lambda: self._database_now))
        self._owner = f"{os.getpid()}-{secrets.token_hex(6)}"
        self._opened = OpenStore(open_store, self._owner, on_trouble)
        self._recordings = JobRecordings(self._opened, mover)
        self._work = FileWork(self._opened, self._owner, self._recordings, service)
        # Leases wait for nothing that somebody uploads.
        self._lease_thread = ThreadPoolExecutor(1, thread_name_prefix="seacod-leases")
        self._running: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._shares: dict[tuple[str, int], float] = {}
        self._news = asyncio.Event()
        self._is_stopping = False
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._blamed_pids: list[int] = []

    async def start(self, blamed_pids: Sequence[int]) -> None:
        """Begin to take over what earlier workers have left, and to work; it goes on when this
        returns, which is soon, whatever the database does.

        Args:
            blamed_pids: workers that crashed by themselves.
        """
        self._blamed_pids = list(blamed_pids)
        self._tasks = (
            asyncio.ensure_future(self._look()),
            asyncio.ensure_future(self._renew()),
            asyncio.ensure_future(self._opened.watch()),
            asyncio.ensure_future(self._recordings.run()),
        )
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._opened.tried.wait(), _HEAD_START_SECONDS)

    def blame(self, pid: int) -> None:
        """Another worker beside this one has crashed by itself."""
        self._blamed_pids = [*self._blamed_pids, pid][-_BLAMED_KEPT:]
        self._news.set()

    def look_soon(self) -> None:
        """A pause is over: files that wait may be begun."""
        self._news.set()

    @property
    def is_open(self) -> bool:
        """See `OpenStore`."""
        return self._opened.is_open

    @property
    def refusal(self) -> SeacodError | None:
        """See `OpenStore`."""
        return self._opened.refusal

    @property
    def store(self) -> JobStore:
        """See `OpenStore`."""
        return self._opened.store

    async def finish(self, timeout_seconds: float) -> None:
        """Begin no further files, finish what there is time for, put the rest back."""
        self._is_stopping = True
        if self._tasks:
            await end_task(self._tasks[0])
        if self._running:
            seconds = min(timeout_seconds, _FINISH_SECONDS)
            await asyncio.wait(set(self._running.values()), timeout=seconds)
        for task in tuple(self._running.values()):
            task.cancel()
        if self._running:
            await asyncio.wait(set(self._running.values()), timeout=_PUT_BACK_SECONDS)

    async def close(self) -> None:
        """Give up the ownership of every file."""
        for task in self._tasks:
            task.cancel()
        await self._opened.close()
        self._lease_thread.shutdown(wait=False)

    async def accept(
        self,
        job: str,
        client: str,
        hotwords: str,
        files: Sequence[tuple[str, int]],
        choice: SoundChoice = EVERYTHING,
        choices: Mapping[str, str] | None = None,
        submission: Submission | None = None,
        callback_url: str = "",
    ) -> str:
        """See `JobStore.accept`; the work begins at once.

        Raises:
            PlaceUnusable, StorageFull: big recordings are to lie outside, and cannot now.
        """
        texts = json.dumps(choices or {})
        elsewhere = await self._recordings.sent_out(job, files)
        accepted = await self.ask(
            lambda store: store.accept(
                job, client, hotwords, files, choice, texts, submission, callback_url, elsewhere
            ),
            # Whoever repeats it under its key finds it, and goes on with it.
            too_late=None if submission is not None else lambda store: store.cancel(job),
        )
        if accepted == job:
            log.info("job_accepted", job=job, files=len(files))
            self._news.set()
        return accepted

    async def ask(
        self, act: Callable[[JobStore], T], too_late: Callable[[JobStore], object] | None = None
    ) -> T:
        """See `OpenStore.ask`."""
        return await self._opened.ask(act, too_late)

    async def act(self, act: Callable[[JobStore], T]) -> T:
        """See `OpenStore.act`."""
        return await self._opened.act(act)

    async def get(self, job: str) -> tuple[Job, list[JobFile], dict[int, float]]:
        """A job, its files, and how much of each running one was recognised (0 to 1)."""
        found, files = await self.ask(lambda store: store.get(job))
        shares = {number: share for (of, number), share in self._shares.items() if of == job}
        return found, files, shares

    async def cancel(self, job: str) -> None:
        """See `JobStore.cancel`."""
        for file in await self.ask(lambda store: store.cancel(job)):
            task = self._running.get((file.job, file.number))
            if task is not None:
                task.cancel()
        log.info("job_canceled", job=job)

    async def delete(self, job: str) -> None:
        """See `JobStore.delete`."""
        await self.ask(lambda store: store.delete(job))
        log.info("job_deleted", job=job)

    async def retry(self, job: str) -> None:
        """See `JobStore.retry`; the work begins at once."""
        count = await self.ask(lambda store: store.retry(job))
        log.info("job_retried", job=job, files=count)
        self._news.set()

    # -- working ------------------------------------------------------------------------------

    async def _look(self) -> None:
        expire_at = time.monotonic()
        has_failed = False
        # Not until cancelled alone: Python 3.11 loses a cancellation that comes with news.
        while not self._is_stopping:
            try:
                was_open = self.is_open
                if not was_open or await self._opened.was_removed():
                    await self._take_up()
                    # What ended meanwhile could not be written down.
                    has_failed = has_failed or was_open
                await self.act(
                    lambda store: store.recover(self._blamed_pids, grace_seconds=_BLAME_SECONDS)
                )
                await self._drop_lost()
                if has_failed:
                    await self._put_back_strays()
                while not self._is_stopping and await self._begin_one():
                    pass
                if time.monotonic() >= expire_at:
                    expire_at = time.monotonic() + _EXPIRY_SECONDS
                    await self.act(self._delete_expired)
                self._opened.succeeded()
                has_failed = False
            except (OSError, SQLAlchemyError) as error:
                # A full disk, a database that is away: jobs wait, and are there when it is mended.
                if not has_failed:
                    log.error("jobs_interrupted", error=said(error))
                self._opened.failed(error)
                has_failed = True
            except SeacodError as error:
                if not has_failed:
                    log.error("jobs_interrupted", error=error.message)
                has_failed = True
            except Exception:
                log.exception("jobs_interrupted")
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), _LOOK_SECONDS)
            self._news.clear()

    def age_seconds(self, since: float, most_seconds: float) -> float:
        """How old something is, up to an age, by a clock that may have been set since. Blocking.

        Args:
            since: Unix seconds.
            most_seconds: the age that matters.
        """
        self._clock.look()
        now = time.time()
        if is_unset(since, now):
            return 0.0
        return now - since - self._clock.looks_older_by(most_seconds)

    def _delete_expired(self, store: JobStore) -> None:
        self._database_now = store.now()
        for clock in self._clocks:
            clock.look()
        keep_seconds = self._settings.current.results.keep_days * 86_400
        # An upload that was not accepted is young for a day, however short results are kept.
        most_seconds = max(keep_seconds, ORPHAN_SECONDS)
        looks_older_by = max(clock.looks_older_by(most_seconds) for clock in self._clocks)
        store.delete_expired(keep_seconds, looks_older_by)

    async def _renew(self) -> None:
        """Say that we are here, whatever else the store is busy with."""
        while True:
            if self.is_open:
                with contextlib.suppress(OSError, SQLAlchemyError):
                    await asyncio.get_running_loop().run_in_executor(
                        self._lease_thread, self.store.renew
                    )
            await asyncio.sleep(_LOOK_SECONDS)

    async def _drop_lost(self) -> None:
        """Give up what somebody has canceled at another worker or node: nobody gets its text, and
        it counts as canceled, not as heard."""
        if not (known := tuple(self._running)):
            return
        for key in await self.act(lambda store: store.lost_of(self._owner, known)):
            if (task := self._running.get(key)) is not None and not task.done():
                log.info("job_file_given_up", job=key[0], number=key[1], cause="not ours any more")
                task.cancel()

    async def _put_back_strays(self) -> None:
        known = frozenset(self._running)
        if count := await self.act(lambda store: store.put_back_strays(self._owner, known)):
            log.warning("files_put_back", files=count, cause="the answer to their claim was lost")

    async def _begin_one(self) -> bool:
        if self._is_paused() or len(self._running) >= self._service.limits.concurrent_job_files:
            return False
        running = len(self._running)
        without = self._recordings.unreadable
        claimed = await self.act(lambda store: store.claim(self._owner, running, without))
        if claimed is None:
            return False
        key = (claimed.file.job, claimed.file.number)

        def moved(share: float) -> None:
            self._shares[key] = share

        task = asyncio.ensure_future(self._work.hear(claimed, moved))
        self._running[key] = task

        def over(_: object) -> None:
            self._running.pop(key, None)
            self._shares.pop(key, None)
            self._news.set()

        task.add_done_callback(over)
        return True

    async def _take_up(self) -> None:
        """Open the store, anew when it is open, and take over what earlier workers have left.

        Raises:
            OSError, SQLAlchemyError, SeacodError: it cannot be opened.
        """
        if self.is_open:
            await self._opened.open_anew()
        else:
            await self._opened.open()
        if taken := await self.act(lambda store: store.recover(self._blamed_pids)):
            log.info("files_taken_back", files=taken)
