"""Works off the files of all jobs, a few at a time, behind the requests of people.

Lives on the worker's event loop; the store has a thread of its own. What is running when the worker
is told to drain is finished if there is time, otherwise put back; what is running when it crashes
is taken back by the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import structlog

from seacod.asr.formats import as_json
from seacod.asr.service import Progress, TranscriptionService
from seacod.errors import InferenceFailed, SeacodError
from seacod.jobs.model import FileState, Job, JobFile
from seacod.jobs.store import Claimed, JobStore

log = structlog.get_logger(__name__)

ROUTE = "/batch_transcribe"
# How often it looks by itself: for what an old worker puts back, for what died with one.
_LOOK_SECONDS = 2.0
_EXPIRY_SECONDS = 600.0
# The disk may be full for a while; a result is not thrown away for that.
_STORE_AGAIN_SECONDS = 5.0
_PUT_BACK_SECONDS = 2.0
# Nobody waits for a file; what would take longer is begun again by the next worker.
_FINISH_SECONDS = 5.0

T = TypeVar("T")


class Jobs:
    """The jobs of one worker.

    Args:
        directory: of the store, shared with the workers before and after.
        service: does the work.
        keep_days: asked each time: how long finished jobs are kept.
    """

    def __init__(
        self, directory: Path, service: TranscriptionService, keep_days: Callable[[], float]
    ) -> None:
        self._service = service
        self._keep_days = keep_days
        self._directory = directory
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="seacod-jobs")
        self._owner = f"{os.getpid()}-{secrets.token_hex(6)}"
        self._store: JobStore | None = None
        self._running: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._shares: dict[tuple[str, int], float] = {}
        self._news = asyncio.Event()
        self._is_stopping = False
        self._looking: asyncio.Task[None] | None = None
        self._blamed_pids: Sequence[int] = ()

    async def start(self, blamed_pids: Sequence[int]) -> None:
        """Take up what the workers before have left, and work from now on.

        Args:
            blamed_pids: workers that crashed by themselves.
        """
        self._blamed_pids = blamed_pids
        with contextlib.suppress(OSError, sqlite3.Error):
            await self._take_up()
        self._looking = asyncio.ensure_future(self._look())

    @property
    def is_open(self) -> bool:
        """Whether the store can be used; requests go on without a disk to write to."""
        return self._store is not None

    async def _take_up(self) -> None:
        await self._call(self._open)
        if taken := await self._call(lambda: self.store.recover(self._blamed_pids)):
            log.info("files_taken_back", files=taken)

    async def finish(self, timeout_seconds: float) -> None:
        """Begin nothing more; finish what there is time for; put the rest back."""
        self._is_stopping = True
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})
        if self._running:
            seconds = min(timeout_seconds, _FINISH_SECONDS)
            await asyncio.wait(set(self._running.values()), timeout=seconds)
        for task in tuple(self._running.values()):
            task.cancel()
        if self._running:
            await asyncio.wait(set(self._running.values()), timeout=_PUT_BACK_SECONDS)

    async def close(self) -> None:
        """Own nothing any more."""
        if self._store is not None:
            await self._call(self._store.close)
        self._thread.shutdown(wait=False)

    @property
    def store(self) -> JobStore:
        assert self._store is not None, "start() comes first"
        return self._store

    async def accept(
        self, job: str, client: str, hotwords: str, files: Sequence[tuple[str, int]]
    ) -> None:
        """See `JobStore.accept`; the work begins at once."""
        await self._call(lambda: self.store.accept(job, client, hotwords, files))
        log.info("job_accepted", job=job, files=len(files))
        self._news.set()

    async def get(self, job: str) -> tuple[Job, list[JobFile], dict[int, float]]:
        """A job, its files, and how much of each running one has been heard (0 to 1)."""
        found, files = await self._call(lambda: self.store.get(job))
        shares = {number: share for (of, number), share in self._shares.items() if of == job}
        return found, files, shares

    async def cancel(self, job: str) -> None:
        """See `JobStore.cancel`."""
        for file in await self._call(lambda: self.store.cancel(job)):
            task = self._running.get((file.job, file.number))
            if task is not None:
                task.cancel()
        log.info("job_canceled", job=job)

    async def retry(self, job: str) -> None:
        """See `JobStore.retry`; the work begins at once."""
        count = await self._call(lambda: self.store.retry(job))
        log.info("job_retried", job=job, files=count)
        self._news.set()

    # -- working ------------------------------------------------------------------------------

    async def _look(self) -> None:
        expire_at = time.monotonic()
        while True:
            try:
                if self._store is None:
                    await self._take_up()
                await self._call(self.store.recover)
                while not self._is_stopping and await self._begin_one():
                    pass
                if time.monotonic() >= expire_at:
                    expire_at = time.monotonic() + _EXPIRY_SECONDS
                    await self._call(lambda: self.store.delete_expired(self._keep_days() * 86_400))
            except Exception:
                # A full disk, a locked database: jobs wait, and are there when it is mended.
                log.exception("jobs_stand_still")
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), _LOOK_SECONDS)
            self._news.clear()

    async def _begin_one(self) -> bool:
        if len(self._running) >= self._service.limits.concurrent_job_files:
            return False
        running = len(self._running)
        claimed = await self._call(lambda: self.store.claim(self._owner, running))
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

        def moved(progress: Progress) -> None:
            self._shares[key] = progress.share or 0.0

        try:
            try:
                transcript = await self._service.transcribe(
                    self.store.recording(file),
                    job.hotwords,
                    route=ROUTE,
                    name=file.name,
                    client=f"job:{job.client}",
                    is_bulk=True,
                    on_progress=moved,
                )
            except SeacodError as error:
                told = (error.code, error.message, error.chinese)
                await self._finish(file, FileState.FAILED, error=told)
                return
            body = {"name": file.name, **as_json(transcript)}
            await self._persist(file, body)
            await self._finish(file, FileState.DONE, audio_seconds=transcript.duration_seconds)
        except asyncio.CancelledError:
            # Canceled by its owner, or the worker drains; only the second is put back.
            await self._call(lambda: self.store.put_back(self._owner, file))
            raise
        except Exception as error:
            log.exception("job_file_broke", job=file.job, number=file.number)
            failed = InferenceFailed.unforeseen()
            told = (failed.code, f"{failed.message} ({type(error).__name__})", failed.chinese)
            await self._finish(file, FileState.FAILED, error=told)

    async def _persist(self, file: JobFile, body: dict[str, Any]) -> None:
        """The result on the disk, whole; waits for room where there is none."""
        path = self.store.result(file)
        while True:
            try:
                await self._call(lambda: _write(path, body))
                return
            except OSError as error:
                log.error("result_not_kept", job=file.job, error=error.strerror)
                await asyncio.sleep(_STORE_AGAIN_SECONDS)

    async def _finish(self, file: JobFile, state: FileState, **more: Any) -> None:
        await self._call(lambda: self.store.finish(self._owner, file, state, **more))

    def _open(self) -> None:
        store = JobStore.open(self._directory)
        store.own(self._owner)
        self._store = store

    async def _call(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, act)


def _write(path: Path, body: dict[str, Any]) -> None:
    """Under another name first: what has the right name is complete, after a power cut, too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(body, file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)
