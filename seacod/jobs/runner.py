"""Recognises the files of all jobs, a few at a time, after the requests of people.

Lives on the worker's event loop; the store has a thread of its own (SQL, files). What is running
when the worker is told to drain is finished if there is time, otherwise put back; what is running
when it crashes is taken back by the next one, or by another beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from seacod.asr.choice import EVERYTHING, SoundChoice
from seacod.asr.request import RecognitionProgress
from seacod.asr.service import TranscriptionService
from seacod.config.results import ResultSettings
from seacod.errors import (
    InferenceFailed,
    NotFound,
    NotReady,
    PlaceUnusable,
    RecordingLost,
    RecordingUnreadable,
    SeacodError,
)
from seacod.formats import asked, full_json
from seacod.jobs.database import said
from seacod.jobs.listing import Listed
from seacod.jobs.model import Callback, FileState, Job, JobFile, Submission
from seacod.jobs.moving import RecordingMover
from seacod.jobs.outside import root_of
from seacod.jobs.store import Claimed, JobStore
from seacod.jobs.store_thread import StoreThread
from seacod.system.clock_jumps import ClockJumps
from seacod.system.waiting import end_task
from seacod.system.words import Words, reason

log = structlog.get_logger(__name__)

ROUTE = "/batch_transcribe"
# How often it looks for files that another worker put back, or that a dead one had.
_LOOK_SECONDS = 2.0
_EXPIRY_SECONDS = 600.0
# The disk may be full for a while; a result is not thrown away for that.
_STORE_AGAIN_SECONDS = 5.0
_PUT_BACK_SECONDS = 2.0
# So often a recording is read that cannot be, where others can.
_READ_TRIES = 3
_CLOSE_SECONDS = 2.0
# A drain waits for running files no longer; the next worker begins them again.
_FINISH_SECONDS = 5.0
# An owner that has gone belongs to another worker, whose supervisor tells us how it ended. So long
# that is waited for before it counts as an interruption.
_BLAME_SECONDS = 5.0
_BLAMED_KEPT = 20
# A database that fails in so many looks is told; a moment of it is nothing.
_TOLD_FAILURES = 15
_NAMED_LOST = 10
_TAKEN_AGAIN = ("jobs", "Batches are taken again.", "已恢复受理批量任务。")

T = TypeVar("T")


class Jobs:
    """The jobs of one worker.

    Args:
        open_store: opens the store, which is shared with the workers before, beside and after;
            called on the store's thread.
        service: recognises the recordings.
        keep_days: gives how many days finished jobs are kept; asked at each clean-up.
        on_trouble: told what an operator should hear: a kind of alert, English, Chinese, and
            whether it is over.
        is_paused: whether no further file is to be begun.
        mover: of recordings that lie outside a database which nodes share.
    """

    def __init__(
        self,
        open_store: Callable[[], JobStore],
        service: TranscriptionService,
        keep_days: Callable[[], float],
        on_trouble: Callable[[str, str, str, bool], None] = lambda *told: None,
        is_paused: Callable[[], bool] = lambda: False,
        mover: RecordingMover | None = None,
    ) -> None:
        self._service = service
        self._mover = mover
        self._forgetting: set[asyncio.Task[None]] = set()
        self._keep_days = keep_days
        self._on_trouble = on_trouble
        self._is_paused = is_paused
        self._clock = ClockJumps()
        # Why batches cannot be taken until somebody does something about it.
        self.refusal: SeacodError | None = None
        self._failures = 0
        self._open_store = open_store
        self._thread = StoreThread(
            lambda: self._store.stalls if self._store is not None else None, self._gave_up
        )
        # Leases wait for nothing that somebody uploads.
        self._lease_thread = ThreadPoolExecutor(1, thread_name_prefix="seacod-leases")
        self._owner = f"{os.getpid()}-{secrets.token_hex(6)}"
        self._store: JobStore | None = None
        self._running: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._shares: dict[tuple[str, int], float] = {}
        self._news = asyncio.Event()
        self._is_stopping = False
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._blamed_pids: list[int] = []

    async def start(self, blamed_pids: Sequence[int]) -> None:
        """Take over what earlier workers have left, and work from now on.

        Args:
            blamed_pids: workers that crashed by themselves.
        """
        self._blamed_pids = list(blamed_pids)
        with contextlib.suppress(OSError, SQLAlchemyError, SeacodError):
            await self._take_up()
        self._tasks = (
            asyncio.ensure_future(self._look()),
            asyncio.ensure_future(self._renew()),
            asyncio.ensure_future(self._thread.watch()),
        )
        if self._mover is not None:
            self._tasks += (asyncio.ensure_future(self._mover.run(self.act)),)

    def blame(self, pid: int) -> None:
        """Another worker beside this one has crashed by itself."""
        self._blamed_pids = [*self._blamed_pids, pid][-_BLAMED_KEPT:]
        self._news.set()

    def look_soon(self) -> None:
        """A pause is over: files that wait may be begun."""
        self._news.set()

    @property
    def is_open(self) -> bool:
        """Whether the store can be used; requests go on without a disk to write to."""
        return self._store is not None

    async def _take_up(self) -> None:
        try:
            await self._thread.call(self._open)
        except SeacodError as error:
            self._refuse(error)
            raise
        self.refusal = None
        self._on_trouble(*_TAKEN_AGAIN, True)
        self._tell_lost()
        if taken := await self._thread.call(lambda: self.store.recover(self._blamed_pids)):
            log.info("files_taken_back", files=taken)

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
        if self._store is not None:
            # One that does not answer keeps nobody: leases run out by themselves.
            with contextlib.suppress(SQLAlchemyError, asyncio.TimeoutError):
                await asyncio.wait_for(self._thread.call(self._store.close), _CLOSE_SECONDS)
        self._thread.close()
        self._lease_thread.shutdown(wait=False)

    @property
    def store(self) -> JobStore:
        if self._store is None:
            # Not opened yet, or just being written anew.
            raise NotReady(
                "the database of the batches is not open; try again in a moment",
                "批量任务数据库尚未就绪，请稍后重试",
            )
        return self._store

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
        said = json.dumps(choices or {})
        elsewhere = await self._sent_out(job, files)
        accepted = await self._thread.asked(
            lambda: self.store.accept(
                job, client, hotwords, files, choice, said, submission, callback_url, elsewhere
            ),
            # Whoever repeats it under its key finds it, and goes on with it.
            too_late=None if submission is not None else lambda: self.store.cancel(job),
        )
        if accepted == job:
            log.info("job_accepted", job=job, files=len(files))
            self._news.set()
        return accepted

    async def _sent_out(self, job: str, files: Sequence[tuple[str, int]]) -> Mapping[int, str]:
        """Put the big ones of a job outside; where they lie, by number."""
        mover = self._mover
        if mover is None or not (numbers := mover.big([size for _, size in files])):
            return {}
        sizes = {number: files[number - 1][1] for number in numbers}
        reserved = await self._thread.asked(lambda: self.store.reserve(mover.root, job, numbers))
        is_begun = False
        try:
            await mover.recognise(reserved)
            if not reserved.is_marked:
                await self._thread.asked(lambda: self.store.place_is_marked(mover.root))
            is_begun = True
            await mover.send(self.store.blobs.incoming(job), reserved, sizes)
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
                await self.act(lambda store: store.blobs.not_needed_outside(job))
            else:
                await self.act(lambda store: store.gone(addresses))

    async def submitted(self, client: str, submission: Submission) -> str | None:
        """See `JobStore.submitted`."""
        return await self._thread.asked(lambda: self.store.submitted(client, submission))

    async def callback(self, job: str) -> Callback | None:
        """See `JobStore.callback`."""
        return await self._thread.asked(lambda: self.store.callback(job))

    async def act(self, act: Callable[[JobStore], T]) -> T:
        """Call the store for what goes on beside the jobs (`callback_delivery.py`).

        Raises:
            OSError, SQLAlchemyError: it cannot be used now.
            NotReady: it is not open.
        """
        return await self._thread.call(partial(act, self.store))

    async def get(self, job: str) -> tuple[Job, list[JobFile], dict[int, float]]:
        """A job, its files, and how much of each running one was recognised (0 to 1)."""
        found, files = await self._thread.asked(lambda: self.store.get(job))
        shares = {number: share for (of, number), share in self._shares.items() if of == job}
        return found, files, shares

    async def of_client(self, client: str, before: str, most: int) -> list[Listed]:
        """See `JobStore.of_client`."""
        return await self._thread.asked(lambda: self.store.of_client(client, before, most))

    async def cancel(self, job: str) -> None:
        """See `JobStore.cancel`."""
        for file in await self._thread.asked(lambda: self.store.cancel(job)):
            task = self._running.get((file.job, file.number))
            if task is not None:
                task.cancel()
        log.info("job_canceled", job=job)

    async def check_room(self, client: str, more_bytes: int, limits: ResultSettings) -> None:
        """See `JobStore.check_room`."""
        await self._thread.asked(lambda: self.store.check_room(client, more_bytes, limits))

    async def delete(self, job: str) -> None:
        """See `JobStore.delete`."""
        await self._thread.asked(lambda: self.store.delete(job))
        log.info("job_deleted", job=job)

    async def retry(self, job: str) -> None:
        """See `JobStore.retry`; the work begins at once."""
        count = await self._thread.asked(lambda: self.store.retry(job))
        log.info("job_retried", job=job, files=count)
        self._news.set()

    # -- working ------------------------------------------------------------------------------

    async def _look(self) -> None:
        expire_at = time.monotonic()
        has_failed = False
        # Not until cancelled alone: Python 3.11 loses a cancellation that comes with news.
        while not self._is_stopping:
            try:
                if self._store is not None and await self._thread.call(self._store.was_removed):
                    await self._take_up_anew(self._store)
                    # What ended meanwhile could not be written down.
                    has_failed = True
                if self._store is None:
                    await self._take_up()
                await self._thread.call(self._recover)
                await self._drop_lost()
                if has_failed:
                    await self._put_back_strays()
                while not self._is_stopping and await self._begin_one():
                    pass
                if not self._clock.was_set() and time.monotonic() >= expire_at:
                    expire_at = time.monotonic() + _EXPIRY_SECONDS
                    await self._thread.call(
                        lambda: self.store.delete_expired(self._keep_days() * 86_400)
                    )
                self._succeeded()
                has_failed = False
            except (OSError, SQLAlchemyError) as error:
                # A full disk, a database that is away: jobs wait, and are there when it is mended.
                if not has_failed:
                    log.error("jobs_interrupted", error=said(error))
                self._failed((said(error), reason(getattr(error, "orig", None) or error)[1]))
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

    async def _renew(self) -> None:
        """Say that we are here, whatever else the store is busy with."""
        while True:
            if (store := self._store) is not None:
                with contextlib.suppress(OSError, SQLAlchemyError):
                    await asyncio.get_running_loop().run_in_executor(
                        self._lease_thread, store.renew
                    )
            await asyncio.sleep(_LOOK_SECONDS)

    async def _take_up_anew(self, removed: JobStore) -> None:
        """Go on after somebody has removed the database under us: it is written anew from what is
        open here still, and is empty where that cannot be."""
        self._store = None
        try:
            await self._thread.call(removed.write_anew)
            problem = ""
        except (OSError, sqlite3.Error, SQLAlchemyError) as error:
            problem = said(error)
        with contextlib.suppress(OSError, SQLAlchemyError):
            await self._thread.call(removed.close)
        log.error("jobs_database_was_removed", is_written_anew=not problem, error=problem or None)
        await self._take_up()
        if not problem:
            self._on_trouble(
                "jobs_lost",
                "Somebody has removed the database of the batches while the service ran. It was "
                "written anew; a batch whose recordings were removed, too, says so itself.",
                "批量任务的数据库在运行中被删除，已重新写出；录音也被删除的文件会在任务中注明丢失。",
                False,
            )

    def _tell_lost(self) -> None:
        """Name the jobs that a database which was made just now does not know."""
        if not (lost := self.store.lost):
            return
        named = ", ".join(lost[:_NAMED_LOST])
        more = len(lost) - _NAMED_LOST
        log.error("jobs_lost", jobs=list(lost[:_NAMED_LOST]), more=max(0, more))
        self._on_trouble(
            "jobs_lost",
            f"The database of the batches is gone, and with it what it knew of {len(lost)} of "
            f"them: {named}{f' and {more} more' if more > 0 else ''}. Their recordings lie in "
            f"{self.store.blobs.directory} for a day; a backup (seacod restore) knows more.",
            f"批量任务的数据库已丢失，其中 {len(lost)} 个任务无法找回：{named}"
            f"{f' 等另外 {more} 个' if more > 0 else ''}。录音在 {self.store.blobs.directory} "
            "中保留一天；可用备份恢复（seacod restore）。",
            False,
        )

    def _refuse(self, error: SeacodError) -> None:
        if self.refusal is None or self.refusal.message != error.message:
            self._on_trouble(
                "jobs", f"Batches cannot be taken: {error.message}.",
                f"无法受理批量任务：{error.chinese}。", False,
            )  # fmt: skip
        self.refusal = error

    def _failed(self, problem: Words, times: int = 1) -> None:
        was_told = self._failures >= _TOLD_FAILURES
        self._failures += times
        if self._failures >= _TOLD_FAILURES and not was_told:
            self._on_trouble(
                "jobs", f"Batches wait, their database cannot be used: {problem[0]}",
                f"批量任务暂停，数据库无法使用：{problem[1]}", False,
            )  # fmt: skip

    def _gave_up(self) -> None:
        """Nobody waits for what does not answer."""
        self._failed(("it does not answer", "没有响应"), _TOLD_FAILURES)

    def _succeeded(self) -> None:
        if self._failures >= _TOLD_FAILURES:
            self._on_trouble(*_TAKEN_AGAIN, True)
        self._failures = 0

    async def _drop_lost(self) -> None:
        """Give up what somebody has canceled at another worker or node: nobody gets its text, and
        it counts as canceled, not as heard."""
        if not (known := tuple(self._running)):
            return
        for key in await self._thread.call(lambda: self.store.lost_of(self._owner, known)):
            if (task := self._running.get(key)) is not None and not task.done():
                log.info("job_file_given_up", job=key[0], number=key[1], cause="not ours any more")
                task.cancel()

    async def _put_back_strays(self) -> None:
        known = frozenset(self._running)
        if count := await self._thread.call(lambda: self.store.put_back_strays(self._owner, known)):
            log.warning("files_put_back", files=count, cause="the answer to their claim was lost")

    async def _begin_one(self) -> bool:
        if self._is_paused() or len(self._running) >= self._service.limits.concurrent_job_files:
            return False
        running = len(self._running)
        without = () if self._mover is None else self._mover.unreadable
        claimed = await self._thread.call(lambda: self.store.claim(self._owner, running, without))
        if claimed is None:
            return False
        key = (claimed.file.job, claimed.file.number)
        task = asyncio.ensure_future(self._work(claimed))
        self._running[key] = task

        def over(_: object) -> None:
            self._running.pop(key, None)
            self._shares.pop(key, None)
            self._news.set()

        task.add_done_callback(over)
        return True

    async def _work(self, claimed: Claimed) -> None:
        file, job = claimed.file, claimed.job
        key = (file.job, file.number)

        def moved(progress: RecognitionProgress) -> None:
            self._shares[key] = progress.share or 0.0

        try:
            try:
                try:
                    recording = await self._fetched(file)
                except PlaceUnusable as error:
                    # Another node may reach it; this one claims nothing there until it can.
                    log.error(
                        "recording_not_read", job=file.job, number=file.number, error=error.message
                    )
                    await self._insist("file_not_put_back", file, lambda: self._put_back(file))
                    return
                transcript = await self._service.transcribe(
                    recording,
                    job.hotwords,
                    route=ROUTE,
                    name=file.name,
                    client=f"job:{job.client}",
                    is_bulk=True,
                    choice=job.choice,
                    on_progress=moved,
                )
            except SeacodError as error:
                told = (error.code, error.message, error.chinese)
                await self._finish(file, FileState.FAILED, error=told)
                return

            def keep() -> None:
                wanted = asked.choices(json.loads(job.choices))
                result = full_json.body(transcript, has_peaks=wanted.wants_peaks)
                body = {"name": file.name, **result}
                self.store.blobs.keep(file, body)

            await self._insist("result_not_kept", file, keep)
            await self._finish(
                file, FileState.DONE, audio_seconds=transcript.duration_seconds,
                warnings=json.dumps(
                    [{"en": one.message, "zh": one.chinese} for one in transcript.warnings]
                ),
            )  # fmt: skip
        except asyncio.CancelledError:
            # Canceled by its owner, or the worker drains; only the second is put back.
            await self._thread.call(lambda: self.store.put_back(self._owner, file))
            raise
        except Exception as error:
            log.exception("job_file_broke", job=file.job, number=file.number)
            failed = InferenceFailed.unforeseen()
            told = (failed.code, f"{failed.message} ({type(error).__name__})", failed.chinese)
            await self._finish(file, FileState.FAILED, error=told)

    async def _insist(self, trouble: str, file: JobFile, act: Callable[[], T]) -> T:
        """Repeat a call of the store until the disk has room and the database answers.

        Args:
            trouble: the event logged each time it fails.
        """
        while True:
            try:
                return await self._thread.call(act)
            except NotReady as error:
                log.error(trouble, job=file.job, number=file.number, error=error.message)
                await asyncio.sleep(_STORE_AGAIN_SECONDS)
            except (OSError, SQLAlchemyError) as error:
                log.error(trouble, job=file.job, number=file.number, error=said(error))
                await asyncio.sleep(_STORE_AGAIN_SECONDS)

    async def _finish(self, file: JobFile, state: FileState, **more: Any) -> None:
        await self._insist(
            "end_not_kept", file, lambda: self.store.finish(self._owner, file, state, **more)
        )

    async def _fetched(self, file: JobFile) -> Path:
        """The recording, on this machine.

        Raises:
            RecordingLost: it is not there any more.
            RecordingUnreadable: it cannot be read, again and again.
            PlaceUnusable: where it lies cannot be used now.
        """
        trouble = "recording_not_read"
        if not file.place or self._mover is None:
            return await self._insist(trouble, file, lambda: self._fetched_here(file))
        identity, _ = await self._insist(
            trouble, file, lambda: self.store.identity_of(root_of(file.place))
        )
        tries = 0
        while True:
            try:
                target = await self._insist(trouble, file, lambda: self.store.blobs.path(file))
                await self._mover.bring(file.place, target, identity)
                return target
            except NotFound:
                raise _lost() from None
            except RecordingUnreadable as error:
                log.error(trouble, job=file.job, number=file.number, error=error.message)
                tries += 1
                if tries == _READ_TRIES:
                    raise _unreadable() from None
                await asyncio.sleep(_STORE_AGAIN_SECONDS)
            except OSError as error:
                # Of our own disk.
                log.error(trouble, job=file.job, number=file.number, error=said(error))
                await asyncio.sleep(_STORE_AGAIN_SECONDS)

    def _fetched_here(self, file: JobFile) -> Path:
        if not self.store.blobs.has(file):
            raise _lost()
        return self.store.blobs.fetch(file)

    def _put_back(self, file: JobFile) -> None:
        self.store.put_back(self._owner, file)

    def _recover(self) -> int:
        return self.store.recover(self._blamed_pids, grace_seconds=_BLAME_SECONDS)

    def _open(self) -> None:
        store = self._open_store()
        store.own(self._owner)
        self._store = store


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
