"""The one entrance to recognition, used by API, page and jobs alike.

Admits, listens, puts the answer together, counts. Lives on the event loop; decoding has processes
of its own (`decoder/`), the model its thread (`scheduler.py`), reading files two named threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import structlog

from seacod.asr import hotwords
from seacod.asr.admission import Admission, Ticket
from seacod.asr.assembly import Assembly
from seacod.asr.audio import SAMPLE_RATE
from seacod.asr.cache import CutCache
from seacod.asr.counting import Counts
from seacod.asr.decoder.cutting import Piece
from seacod.asr.decoder.pool import Decoders
from seacod.asr.decoder.wire import DecodeTask
from seacod.asr.engine import Engine
from seacod.asr.funasr_voice import FunasrVoice
from seacod.asr.hotwords import Hotwords
from seacod.asr.itn import InverseTextNormaliser
from seacod.asr.live import LiveSessions
from seacod.asr.pipeline import RecordingFigures, RecordingPipeline, SampleBudget
from seacod.asr.scheduler import Heard, Order, Scheduler, Watchers
from seacod.asr.tuning import Tuning
from seacod.config.limits import LimitSettings
from seacod.config.schema import Settings
from seacod.errors import (
    BadRequest,
    DeadlineExceeded,
    NotReady,
    OutOfMemory,
    QueueFull,
)
from seacod.metrics.worker import WorkerMetrics
from seacod.shared_load import SharedLoad
from seacod.system import file_in_use
from seacod.transcript import Segment, Transcript

log = structlog.get_logger(__name__)

_FILE_THREADS = 2
_DECODERS_KEPT = 2
# Of one recording this much sound waits for the model at most; the rest waits to be decoded.
_AHEAD_SECONDS = 300
_BYTES_A_SECOND = 4 * SAMPLE_RATE
# A recording whose header does not say how long it is: compressed speech at 32 kbit/s.
_BYTES_A_SECOND_COMPRESSED = 4000


@dataclass(frozen=True, slots=True)
class RecognitionProgress:
    """How far a request is. `queue_position` counts from 1 while it waits.

    `share` is how much of the recording has been heard, 0 to 1; None when nobody knows its length.
    """

    stage: Literal["queued", "decoding", "recognising"]
    segments_done: int = 0
    segments_total: int = 0
    queue_position: int = 0
    share: float | None = None


@dataclass(frozen=True, slots=True)
class ServiceLoad:
    """What the worker is busy with now; the control channel's beat and /health show it."""

    in_flight: int
    queue_depth: int
    oldest_seconds: float
    progress_age_seconds: float
    answered: int
    failed: int
    gpu_reserved_bytes: int
    running: str
    outstanding_seconds: float = 0.0
    speed: float = 0.0


OnProgress = Callable[[RecognitionProgress], None]
OnSegments = Callable[[list[Segment]], None]


class TranscriptionService:
    """Recognition as one call.

    Args:
        settings: the worker's settings.
        load: makes the engine, on the inference thread.
        metrics: where to count; shared by all routes.
        shared_load: of the workers that share the work; None where this is the only one.
    """

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Engine],
        metrics: WorkerMetrics,
        shared_load: SharedLoad | None = None,
    ) -> None:
        limits = settings.limits
        self.limits: LimitSettings = limits
        self._asr = settings.asr
        self._counts = Counts(metrics)
        self._scheduler = Scheduler(
            load,
            batch_seconds=settings.asr.batch_seconds,
            gathering_seconds=settings.asr.gathering_seconds,
            watchers=Watchers(self._counts.batch, self._counts.out_of_memory),
        )
        self._admission = Admission(
            limits.queue_length,
            limits.concurrent_requests,
            limits.queue_audio_seconds,
            lambda: self._scheduler.speed,
            others=shared_load.others if shared_load is not None else tuple,
        )
        self._shared_load = shared_load
        self._threads = ThreadPoolExecutor(_FILE_THREADS, thread_name_prefix="seacod-files")
        self._voice_thread = ThreadPoolExecutor(1, thread_name_prefix="seacod-voice")
        self._text_thread = ThreadPoolExecutor(1, thread_name_prefix="seacod-text")
        self._decoders = Decoders(
            max(_DECODERS_KEPT, len(os.sched_getaffinity(0)) // 2),
            limits.concurrent_requests + limits.concurrent_job_files,
        )
        self._pipeline = RecordingPipeline(
            self._decoders,
            self._scheduler,
            CutCache(limits.decoded_cache_bytes),
            SampleBudget(limits.decoded_audio_bytes, _AHEAD_SECONDS * _BYTES_A_SECOND),
            self._threads,
        )
        self._writer = InverseTextNormaliser(settings.asr.inverse_text_normalisation == "on")
        self.live = LiveSessions(
            settings,
            lambda: self.limits,
            self._scheduler,
            lambda: Assembly(self._writer.write),
            self._add,
            lambda: not self._admission.waiting,
            self._counts,
            lambda: (
                sum(int(line.live) for line in shared_load.others())
                if shared_load is not None
                else 0
            ),
        )
        self._engine: Engine | None = None
        self.on_fault: Callable[[str, str], None] = _nobody_listens

    async def start(self) -> Engine:
        """Load the model; raises the `SeacodError` that says why it cannot be."""
        await asyncio.get_running_loop().run_in_executor(self._text_thread, self._writer.load)
        self._engine = engine = await self._scheduler.start()
        if engine.vad is not None:
            longest = self._asr.max_segment_seconds
            self._pipeline.voice = lambda: FunasrVoice(engine.vad, longest)
            self._pipeline.voice_thread = self._voice_thread
        return engine

    async def open(self) -> None:
        """Have the decoding processes ready: recordings come from now on."""
        await self._decoders.start()

    async def with_engine(self, action: Callable[[Engine], None]) -> None:
        """Run `action` on the inference thread; what it raises is raised here."""
        await self._scheduler.run_soon(action)

    def tune(self, tuning: Tuning) -> None:
        """Use what was measured on this machine. Any thread may say so."""
        self._scheduler.tune(tuning)

    def apply(self, limits: LimitSettings) -> None:
        """New limits, for the requests from now on."""
        self.limits = limits
        self._decoders.limit(limits.concurrent_requests + limits.concurrent_job_files)
        self._admission.limit(
            limits.queue_length, limits.concurrent_requests, limits.queue_audio_seconds
        )
        self._pipeline.memory.all_bytes = limits.decoded_audio_bytes
        self._pipeline.cache.limit(limits.decoded_cache_bytes)

    @property
    def engine(self) -> Engine:
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
            self._counts.request(route)
            self._counts.failure(route, error, 0.0)
            raise

    async def transcribe(
        self,
        upload_path: Path,
        words: str | Iterable[str] | None = None,
        *,
        route: str,
        name: str = "",
        client: str = "",
        is_bulk: bool = False,
        on_progress: OnProgress | None = None,
        on_segments: OnSegments | None = None,
    ) -> Transcript:
        """The text of one recording.

        Args:
            upload_path: a private file of ours; it is read, never kept.
            words: hotwords as the user typed them.
            route: where the request came from, for the metrics: `/transcribe`, `page`.
            name: what the user calls the recording; shown to the operator after a crash.
            client: who asks; clients take turns.
            is_bulk: nobody sits in front of it: no place in the queue, no deadline, and behind
                those that have both.
            on_progress: called on the event loop as things move.
            on_segments: called there with sentences as they are recognised, in order.

        Raises:
            SeacodError: why there is no text; see `seacod/errors.py` for the kinds.
        """
        began = time.monotonic()
        self._counts.request(route)
        request = _Request(
            upload_path, words, name, client, is_bulk, on_progress or _ignore,
            on_segments or _ignore_segments,
        )  # fmt: skip
        try:
            with _needed(upload_path):
                transcript = await self._admitted(request)
        except BaseException as error:
            self._counts.failure(route, error, time.monotonic() - began)
            if isinstance(error, OutOfMemory):
                self.on_fault("out_of_memory", error.message)
            raise
        finally:
            self._gauge()
        self._counts.success(route, transcript, time.monotonic() - began)
        return transcript

    async def _admitted(self, request: _Request) -> Transcript:
        admission = self._admission
        admit = admission.admit_bulk if request.is_bulk else admission.admit
        ticket = admit(request.client)
        ticket.label = f"{request.name or request.path.name:.80}"
        self._gauge()
        is_done = False
        try:
            transcript = await self._in_time(ticket, request)
            is_done = True
            return transcript
        finally:
            admission.leave(ticket, is_done=is_done)

    async def _in_time(self, ticket: Ticket, request: _Request) -> Transcript:
        """From the header on there is a deadline; longer recordings have a later one."""
        clean = hotwords.parse(request.words, self.limits.max_hotwords)
        limits = self.limits
        request.on_progress(RecognitionProgress("decoding"))
        strict = limits.long_audio == "reject"
        longest = limits.direct_audio_seconds if strict else limits.max_audio_seconds
        task = DecodeTask(
            "inspect", longest, limits.max_upload_bytes, self._asr.max_segment_seconds
        )
        info = await self._decoders.inspect(request.path, task)
        known = info.duration_seconds
        length = known or min(longest, info.size_bytes / _BYTES_A_SECOND_COMPRESSED)
        self._admission.weigh(ticket, length)
        ticket.label += f" ({length:.1f} s)"
        limit = limits.request_timeout_seconds * max(1.0, length / limits.direct_audio_seconds)
        work = self._recognise(ticket, request, task, clean, known)
        if request.is_bulk:
            return await work
        try:
            return await asyncio.wait_for(work, limit)
        except asyncio.TimeoutError:
            raise DeadlineExceeded(
                f"the recording was not finished within {limit:g} s; try again when there is less "
                "load, or cut it into shorter pieces",
                f"未能在 {limit:g} 秒内完成识别；请稍后重试，或切成较短的片段",
            ) from None

    async def _recognise(
        self,
        ticket: Ticket,
        request: _Request,
        task: DecodeTask,
        clean: Hotwords,
        known_seconds: float | None,
    ) -> Transcript:
        await self._wait_for_turn(ticket, request)
        turn_at = time.monotonic()
        order = Order(
            ticket.client,
            clean.prompt,
            ticket.is_bulk,
            on_start=lambda: self._admission.start(ticket),
        )
        task = replace(task, want="samples" if self._pipeline.voice else "pieces")
        figures = RecordingFigures(is_long=ticket.audio_seconds > self.limits.direct_audio_seconds)
        assembly = Assembly(self._writer.write)
        request.on_progress(
            RecognitionProgress("recognising", share=0.0 if known_seconds else None)
        )
        stream = self._pipeline.run(request.path, task, order, figures)
        async with contextlib.aclosing(stream) as heard:
            async for piece, what in heard:
                self._admission.progressed(ticket, len(piece.samples) / SAMPLE_RATE)
                fresh = await self._add(assembly, piece, what)
                if fresh:
                    request.on_segments(fresh)
                share = min(1.0, piece.end / SAMPLE_RATE / known_seconds) if known_seconds else None
                request.on_progress(
                    RecognitionProgress(
                        "recognising", assembly.pieces, figures.pieces_found, share=share
                    )
                )
        now = time.monotonic()
        self._counts.unheard(len(assembly.unheard))
        return assembly.transcript(
            figures,
            clean,
            self.engine,
            processing_seconds=now - turn_at,
            queue_seconds=turn_at - ticket.admitted_at,
        )

    async def _add(self, assembly: Assembly, piece: Piece, what: Heard) -> list[Segment]:
        """Punctuation and grammars take their time, so they have a thread; the model goes on."""
        if not (self._writer.is_on or self.engine.has_punctuation):
            return assembly.add(piece, what.recognised, what.recognised.text)

        def write() -> list[Segment]:
            punctuated = self.engine.punctuate(what.recognised.text)
            return assembly.add(piece, what.recognised, punctuated)

        return await asyncio.get_running_loop().run_in_executor(self._text_thread, write)

    async def _wait_for_turn(self, ticket: Ticket, request: _Request) -> None:
        turn = asyncio.ensure_future(self._admission.turn(ticket))
        try:
            while not turn.done():
                await asyncio.wait({turn}, timeout=0 if ticket.has_turn else 1.0)
                if not ticket.has_turn:
                    position = self._admission.position(ticket)
                    request.on_progress(RecognitionProgress("queued", queue_position=position))
        finally:
            turn.cancel()

    def load(self) -> ServiceLoad:
        """What goes on now."""
        oldest = self._admission.oldest_seconds
        age = time.monotonic() - self._scheduler.last_progress
        return ServiceLoad(
            in_flight=self._admission.in_flight,
            queue_depth=self._admission.waiting,
            oldest_seconds=oldest,
            progress_age_seconds=age if self._scheduler.is_busy else 0.0,
            answered=self._counts.answered,
            failed=self._counts.failed,
            gpu_reserved_bytes=self._engine.reserved_bytes() if self._engine is not None else 0,
            running=self._admission.with_the_model[:500],
            outstanding_seconds=self._admission.outstanding_seconds,
            speed=self._scheduler.speed,
        )

    def forgive_pause(self) -> None:
        """Count the model's progress from now on: the whole process stood still."""
        self._scheduler.last_progress = time.monotonic()

    def release_gpu_cache(self) -> None:
        """Between two jobs, give cached device memory back."""
        self._scheduler.run_soon(lambda engine: engine.release_cache())

    async def close(self) -> None:
        """End threads and processes; running work is not waited for."""
        self._scheduler.stop()
        self.live.close()
        await self._decoders.close()
        for threads in (self._threads, self._voice_thread, self._text_thread):
            threads.shutdown(wait=False, cancel_futures=True)

    def _gauge(self) -> None:
        self._counts.present(self._admission.in_flight, self._admission.waiting)
        self.tell_others()

    def tell_others(self) -> None:
        """Bring this worker's line in the shared load table up to date."""
        if self._shared_load is None:
            return
        mine = self._shared_load.mine
        mine.inside = self._admission.inside
        mine.outstanding_seconds = self._admission.outstanding_seconds
        mine.speed = self._scheduler.speed
        mine.live = self.live.sessions
        self._shared_load.write()


@dataclass(frozen=True, slots=True)
class _Request:
    path: Path
    words: str | Iterable[str] | None
    name: str
    client: str
    is_bulk: bool
    on_progress: OnProgress
    on_segments: OnSegments


@contextlib.contextmanager
def _needed(path: Path) -> Iterator[None]:
    """No sweep takes the recording away meanwhile.

    Raises:
        BadRequest: one has already: it lay there untouched for too long.
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


def _nobody_listens(kind: str, text: str) -> None:
    """Until the worker does."""


def _ignore(progress: RecognitionProgress) -> None:
    """Nobody watches."""


def _ignore_segments(segments: list[Segment]) -> None:
    """Nobody reads along."""
