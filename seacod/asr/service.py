"""The one entrance to recognition, used by API, page and jobs alike.

Puts the parts together, counts requests, and says how busy they are. Recordings are
`recordings.py`, microphones `live/`. Lives on the event loop; decoding has processes of its own
(`decoder/`), the model its thread (`scheduler.py`), reading files two named threads.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from seacod.asr.admission import Admission
from seacod.asr.assembly import SentenceWriter
from seacod.asr.audio import SAMPLE_RATE
from seacod.asr.cache import CutCache
from seacod.asr.choice import EVERYTHING, SoundChoice
from seacod.asr.counting import Ended, OnEnded, RequestCounters
from seacod.asr.decoder.pool import Decoders
from seacod.asr.forecast import AHEAD_SECONDS
from seacod.asr.hotword_lists import HotwordLists
from seacod.asr.live.sessions import LiveSessions
from seacod.asr.load import LoadReport, ServiceLoad
from seacod.asr.pipeline import RecordingPipeline, SampleBudget
from seacod.asr.recognisers.base import Recogniser
from seacod.asr.recordings import Recordings
from seacod.asr.replacements.current import CurrentReplacements
from seacod.asr.request import (
    OnProgress,
    OnSegments,
    RecognitionRequest,
    RecordingRequest,
    ignore,
)
from seacod.asr.scheduler import Scheduler
from seacod.asr.speakers.speakers import Speakers
from seacod.asr.tuning import Tuning
from seacod.config.limits import LimitSettings
from seacod.config.schema import Settings
from seacod.errors import BadRequest, NotReady, OutOfMemory, QueueFull, SeacodError
from seacod.metrics.worker import WorkerMetrics
from seacod.shared_load import SharedLoad
from seacod.system.files import file_in_use
from seacod.system.text.words import Words
from seacod.transcript import Transcript, TranscriptWarning
from seacod.with_model import ModelTable, WithModel

_FILE_THREADS = 2
_DECODERS_KEPT = 2
_BYTES_A_SECOND = 4 * SAMPLE_RATE
# Microphones may be silent: so much of the model is never counted as theirs.
_LEFT_BY_MICROPHONES = 0.25


class TranscriptionService:
    """Recognition as one call.

    Args:
        settings: the worker's settings.
        load: makes the engine, on the inference thread.
        metrics: where to count; shared by all routes.
        shared_load: of the workers that share the work; None where this is the only one.
        model_table: where it is said what is with the model; None where nobody looks.
        decoder_nursery: a connection to the one that decoders are forked from; None to start one.
        on_lost: told, on the inference thread, that this has ended by an error.
    """

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Recogniser],
        metrics: WorkerMetrics,
        shared_load: SharedLoad | None = None,
        model_table: ModelTable | None = None,
        decoder_nursery: socket.socket | None = None,
        on_lost: Callable[[BaseException], None] = ignore,
    ) -> None:
        limits = settings.limits
        self.limits: LimitSettings = limits
        self._asr = settings.asr
        self._counters = RequestCounters(metrics)
        self._scheduler = Scheduler(
            load,
            batch_seconds=settings.asr.batch_seconds,
            gathering_seconds=settings.asr.gathering_seconds,
            on_batch=self._counters.batch,
            on_out_of_memory=self._counters.out_of_memory,
            with_model=partial(_write, model_table) if model_table is not None else ignore,
            on_lost=on_lost,
        )
        self._admission = Admission(
            limits.queue_length,
            limits.concurrent_requests,
            limits.queue_audio_seconds,
            self._speed_for_recordings,
            others=shared_load.others if shared_load is not None else tuple,
        )
        self._file_threads = ThreadPoolExecutor(_FILE_THREADS, thread_name_prefix="seacod-files")
        self._voice_thread = ThreadPoolExecutor(1, thread_name_prefix="seacod-voice")
        self._decoders = Decoders(
            max(_DECODERS_KEPT, len(os.sched_getaffinity(0)) // 2),
            limits.concurrent_requests + limits.concurrent_job_files,
            decoder_nursery,
        )
        self._pipeline = RecordingPipeline(
            self._decoders,
            self._scheduler,
            CutCache(limits.decoded_cache_bytes),
            SampleBudget(limits.decoded_audio_bytes, int(AHEAD_SECONDS) * _BYTES_A_SECOND),
            self._file_threads,
            settings.asr.max_segment_seconds,
        )
        self._hotwords = HotwordLists(settings)
        self._replacements = CurrentReplacements(settings)
        self._writer = SentenceWriter(settings.asr.inverse_text_normalisation == "on")
        self._speakers = Speakers(settings, lambda: self.engine.device)
        self.live = LiveSessions(
            settings, self._scheduler, self._admission, self._writer, self._counters,
            self._hotwords, self._replacements, self._speakers,
        )  # fmt: skip
        self._load = LoadReport(
            self._admission, self._scheduler, self.live, self._counters, shared_load
        )
        self._recordings = Recordings(
            self._admission, self._pipeline, self._writer, self._counters, self._load,
            self._speakers,
        )  # fmt: skip
        self._engine: Recogniser | None = None
        self.on_fault: Callable[[str, Words], None] = _nobody_listens

    async def start(self) -> Recogniser:
        """Load the model; raises the `SeacodError` that says why it cannot be."""
        await self._writer.load()
        self._engine = self._writer.engine = engine = await self._scheduler.start()
        # The model for trying was trained with single sentences.
        self._pipeline.joins_sentences = engine.name != "builtin"
        if engine.voice is not None:
            self._pipeline.voice = partial(engine.voice, self._asr.max_segment_seconds)
            self._pipeline.voice_thread = self._voice_thread
        return engine

    async def open(self) -> None:
        """Start the decoding processes; recordings may come after that."""
        await self._decoders.start()

    def on_acquitted(self, listener: Callable[[str], None]) -> None:
        """Have it told the digest of each suspect recording that was heard to its end."""
        self._pipeline.on_acquitted = listener

    def on_ended(self, listener: OnEnded) -> None:
        """Have it told of each request that has ended, whatever came of it."""
        self._counters.on_ended = listener

    def on_traced(self, listener: Callable[[Ended], None]) -> None:
        """Have it told of each request that has ended, with its stages."""
        self._counters.on_traced = listener

    def refused(self, client: str, route: str, error: SeacodError) -> None:
        """Count a request that was not let in at all."""
        self._counters.request(route)
        self._counters.failure(route, client, error, 0.0)

    def suspect(self, ends: Mapping[str, int]) -> None:
        """These recordings were with the model at so many ends of workers, by their digest."""
        self._pipeline.suspects = ends

    async def with_engine(self, action: Callable[[Recogniser], None]) -> None:
        """Run `action` on the inference thread; what it raises is raised here."""
        await self._scheduler.run_soon(action)

    def tune(self, tuning: Tuning) -> None:
        """Use what was measured on this machine. Any thread may call this."""
        self._scheduler.tune(tuning)

    @property
    def warnings(self) -> list[str]:
        """What an operator should mend, in sentences that anybody may read: no path is in them."""
        trouble = self._hotwords.trouble()
        return [f"asr.hotwords_file cannot be used: {trouble}"] if trouble else []

    @property
    def is_idle(self) -> bool:
        """Whether nobody needs the model now: no recording, no job, no microphone."""
        return not (self._admission.in_flight or self.live.sessions)

    @property
    def tuning(self) -> Tuning:
        """The figures of batches that are in use."""
        return self._scheduler.tuning

    @property
    def needs_tuning(self) -> bool:
        """Whether nothing was measured, or it contradicts what is seen."""
        return self._scheduler.needs_tuning

    def apply(self, settings: Settings) -> None:
        """Use these settings for the requests from now on."""
        self.limits = limits = settings.limits
        self._asr = settings.asr
        self._hotwords.apply(settings)
        self._replacements.apply(settings)
        self.live.limit(limits)
        self._decoders.limit(limits.concurrent_requests + limits.concurrent_job_files)
        self._admission.limit(
            limits.queue_length, limits.concurrent_requests, limits.queue_audio_seconds
        )
        self._pipeline.memory.all_bytes = limits.decoded_audio_bytes
        self._pipeline.cache.limit(limits.decoded_cache_bytes)

    @property
    def engine(self) -> Recogniser:
        """The loaded engine, for its name, device and vocabulary only.

        Raises:
            NotReady: it is still loading.
        """
        if self._engine is None:
            raise NotReady("the model is still loading; try again shortly", "模型仍在加载，请稍候")
        return self._engine

    def check_room(self, client: str, route: str) -> None:
        """Whether a request may come in; asked before its upload is read.

        Raises:
            QueueFull: with the time after which to come back.
        """
        try:
            self._admission.check_room(client)
        except QueueFull as error:
            self.refused(client, route, error)
            raise

    def check(self, choice: SoundChoice) -> None:
        """Whether what was chosen can be done here; asked before a batch is accepted.

        Raises:
            NoSpeakerModel: there is no model for it.
        """
        if choice.speakers is not None:
            self._speakers.check()

    async def transcribe(
        self,
        upload_path: Path,
        words: str | Iterable[str] | None = None,
        *,
        route: str,
        name: str = "",
        client: str = "",
        is_bulk: bool = False,
        choice: SoundChoice = EVERYTHING,
        wants_digits: bool = True,
        remarks: tuple[TranscriptWarning, ...] = (),
        on_progress: OnProgress = ignore,
        on_segments: OnSegments = ignore,
    ) -> Transcript:
        """The text of one recording.

        Args:
            upload_path: a private file of ours; it is read, never kept.
            words: hotwords as the user typed them.
            route: where the request came from, for the metrics: one of `seacod/routes.py`.
            name: what the user calls the recording; shown to the operator after a crash.
            client: who asks; clients take turns.
            is_bulk: part of a job: it needs no place in the queue, has no deadline, and comes
                after all that have both.
            choice: what of the recording is to be heard.
            wants_digits: numbers are to be written in digits, where the server does that at all.
            remarks: warnings about the request itself, for its transcript.
            on_progress: called on the event loop as things move.
            on_segments: called there with sentences as they are recognised, in order.

        Raises:
            SeacodError: why there is no text; see `seacod/errors.py` for the kinds.
        """
        began = time.monotonic()
        try:
            with self._counters.begun(route, client), _needed(upload_path):
                request = RecordingRequest(
                    client,
                    await self._hotwords.of(words, client),
                    is_bulk,
                    wants_digits,
                    remarks,
                    await self._replacements.now(),
                    path=upload_path,
                    limits=self.limits,
                    name=name,
                    choice=choice,
                    size_bytes=upload_path.stat().st_size,
                    on_progress=on_progress,
                    on_segments=on_segments,
                )
                transcript = await self._recordings.transcribe(request)
        except OutOfMemory as error:
            self.on_fault("out_of_memory", error.words)
            raise
        self._counters.success(route, client, transcript, time.monotonic() - began)
        return transcript

    def _speed_for_recordings(self) -> float:
        """Padded seconds that the model does of recordings in a second: a second of it in each
        goes to each microphone that is open."""
        speed = self._scheduler.speed
        return max(speed * _LEFT_BY_MICROPHONES, speed - self.live.sessions)

    def load(self) -> ServiceLoad:
        """What the service is busy with now."""
        return self._load.now(self._engine)

    def publish_load(self) -> None:
        """Bring the gauges, and this worker's line in the shared load table, up to date."""
        self._load.publish()

    def forgive_pause(self) -> None:
        """Count the model's progress from now on, after the whole process was stopped."""
        self._scheduler.last_progress = time.monotonic()

    def release_gpu_cache(self) -> None:
        """Give cached device memory back, between two batches."""
        self._scheduler.run_soon(lambda engine: engine.release_cache())

    async def close(self) -> None:
        """End threads and processes; running work is not waited for."""
        self._scheduler.stop()
        self.live.close()
        await self._decoders.close()
        self._writer.close()
        self._speakers.close()
        for threads in (self._file_threads, self._voice_thread):
            threads.shutdown(wait=False, cancel_futures=True)


@contextlib.contextmanager
def _needed(path: Path) -> Iterator[None]:
    """Keep the sweeper from removing the recording meanwhile.

    Raises:
        BadRequest: it was removed already, after lying untouched for too long.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(file_in_use.held(path))
        except FileNotFoundError:
            raise BadRequest(
                "this upload is not on the server any more; upload the recording again",
                "上传的文件已被清理，请重新上传",
            ) from None
        yield


def _write(table: ModelTable, requests: Iterable[RecognitionRequest]) -> None:
    recordings = (one for one in requests if isinstance(one, RecordingRequest) and one.digest)
    table.write(WithModel(one.digest, one.label) for one in recordings)


def _nobody_listens(kind: str, words: Words) -> None:
    """Until the worker does."""
