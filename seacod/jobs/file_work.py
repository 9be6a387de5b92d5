"""One file of a job, from its recording to its result."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import structlog

from seacod import routes
from seacod.asr.request import RecognitionProgress
from seacod.asr.service import TranscriptionService
from seacod.errors import InferenceFailed, PlaceUnusable, SeacodError
from seacod.formats import asked, full_json
from seacod.jobs.model import FileState, Job, JobFile
from seacod.jobs.open_store import OpenStore
from seacod.jobs.outside.job_recordings import JobRecordings
from seacod.jobs.store import JobStore
from seacod.jobs.working import Claimed

log = structlog.get_logger(__name__)


class FileWork:
    """
    Args:
        opened: the store.
        owner: this worker, in the store.
        recordings: where a file's recording is found.
        service: recognises it.
    """

    def __init__(
        self,
        opened: OpenStore,
        owner: str,
        recordings: JobRecordings,
        service: TranscriptionService,
    ) -> None:
        self._opened = opened
        self._owner = owner
        self._recordings = recordings
        self._service = service

    async def hear(self, claimed: Claimed, on_share: Callable[[float], None]) -> None:
        """Recognise a file and keep what came of it; put it back when cancelled.

        Args:
            claimed: for this worker.
            on_share: told how much of it was recognised, 0 to 1.
        """
        file = claimed.file
        try:
            await self._heard(file, claimed.job, on_share)
        except asyncio.CancelledError:
            # Canceled by its owner, or the worker drains; only the second is put back.
            await self._opened.act(self._put_back(file))
            raise
        except Exception as error:
            log.exception("job_file_broke", job=file.job, number=file.number)
            failed = InferenceFailed.unforeseen()
            told = (failed.code, f"{failed.message} ({type(error).__name__})", failed.chinese)
            await self._ended(file, FileState.FAILED, error=told)

    async def _heard(self, file: JobFile, job: Job, on_share: Callable[[float], None]) -> None:
        def moved(progress: RecognitionProgress) -> None:
            on_share(progress.share or 0.0)

        try:
            try:
                recording = await self._recordings.fetched(file)
            except PlaceUnusable as error:
                # Another node may reach it; this one claims nothing there until it can.
                log.error(
                    "recording_not_read", job=file.job, number=file.number, error=error.message
                )
                await self._opened.insist("file_not_put_back", file, self._put_back(file))
                return
            transcript = await self._service.transcribe(
                recording,
                job.hotwords,
                route=routes.BATCH,
                name=file.name,
                client=f"job:{job.client}",
                is_bulk=True,
                choice=job.choice,
                on_progress=moved,
            )
        except SeacodError as error:
            told = (error.code, error.message, error.chinese)
            await self._ended(file, FileState.FAILED, error=told)
            return

        def keep(store: JobStore) -> None:
            wanted = asked.choices(json.loads(job.choices))
            result = full_json.body(transcript, has_peaks=wanted.wants_peaks)
            store.blobs.keep(file, {"name": file.name, **result})

        await self._opened.insist("result_not_kept", file, keep)
        told_warnings = [{"en": one.message, "zh": one.chinese} for one in transcript.warnings]
        await self._ended(
            file, FileState.DONE, audio_seconds=transcript.duration_seconds,
            warnings=json.dumps(told_warnings),
        )  # fmt: skip

    async def _ended(self, file: JobFile, state: FileState, **more: Any) -> None:
        await self._opened.insist(
            "end_not_kept", file, lambda store: store.finish(self._owner, file, state, **more)
        )

    def _put_back(self, file: JobFile) -> Callable[[JobStore], None]:
        return lambda store: store.put_back(self._owner, file)
