"""The one entrance to recognition, used by API and page alike.

Admits, decodes, runs the model, puts the answer together, counts. Lives on the event loop;
decoding has two named threads, the model has its own (`scheduler.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

from seacod import inuse
from seacod.asr import audio, hotwords
from seacod.asr.admission import Admission, Ticket
from seacod.asr.audio import SAMPLE_RATE, Samples
from seacod.asr.engine import Engine
from seacod.asr.hotwords import Hotwords
from seacod.asr.scheduler import Heard, Job, Scheduler
from seacod.asr.transcript import Segment, Token, Transcript
from seacod.config.schema import LimitSettings, Settings
from seacod.errors import (
    BadRequest,
    DeadlineExceeded,
    NotReady,
    OutOfMemory,
    QueueFull,
    SeacodError,
)
from seacod.metrics import WorkerMetrics

log = structlog.get_logger(__name__)

_DECODING_THREADS = 2
NO_SPEECH = "no speech was found in the recording"
RETRIED = "a part of the recording had to be recognised a second time"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a request is. `queue_position` counts from 1 while it waits."""

    stage: Literal["queued", "decoding", "recognising"]
    segments_done: int = 0
    segments_total: int = 0
    queue_position: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """What the worker is busy with now; the control channel's beat and /health show it."""

    in_flight: int
    queue_depth: int
    oldest_seconds: float
    progress_age_seconds: float
    answered: int
    failed: int
    gpu_reserved_bytes: int
    running: str


OnProgress = Callable[[Progress], None]


class TranscriptionService:
    """Recognition as one call.

    Args:
        settings: the worker's settings.
        load: makes the engine, on the inference thread.
        metrics: where to count; shared by all routes.
    """

    def __init__(
        self, settings: Settings, load: Callable[[], Engine], metrics: WorkerMetrics
    ) -> None:
        self.limits: LimitSettings = settings.limits
        self._metrics = metrics
        self._scheduler = Scheduler(
            load,
            max_segment_seconds=settings.asr.max_segment_seconds,
            batch_seconds=settings.asr.batch_seconds,
        )
        self._admission = Admission(settings.limits.queue_length)
        self._decoders = ThreadPoolExecutor(_DECODING_THREADS, thread_name_prefix="seacod-decode")
        self._engine: Engine | None = None
        # Said by /health/ready; requests that are inside, or come on an open connection, go on.
        self.is_draining = False
        self._answered = 0
        self._failed = 0
        self.on_fault: Callable[[str, str], None] = _nobody_listens

    async def start(self) -> Engine:
        """Load the model; raises the `SeacodError` that says why it cannot be."""
        self._engine = await self._scheduler.start()
        return self._engine

    async def with_engine(self, action: Callable[[Engine], None]) -> None:
        """Run `action` on the inference thread; what it raises is raised here."""
        await self._scheduler.run_soon(action)

    def apply(self, limits: LimitSettings) -> None:
        """New limits, for the requests from now on."""
        self.limits = limits
        self._admission.queue_length = limits.queue_length

    @property
    def engine(self) -> Engine:
        """The loaded engine, for its name, device and vocabulary only.

        Raises:
            NotReady: it is still loading.
        """
        if self._engine is None:
            raise NotReady("the model is still loading; try again shortly", "模型仍在加载，请稍候")
        return self._engine

    async def transcribe(
        self,
        upload_path: Path,
        words: str | Iterable[str] | None = None,
        *,
        route: str,
        name: str = "",
        on_progress: OnProgress | None = None,
    ) -> Transcript:
        """The text of one recording.

        Args:
            upload_path: a private file of ours; it is read, never kept.
            words: hotwords as the user typed them.
            route: where the request came from, for the metrics: `/transcribe`, `page`.
            name: what the user calls the recording; shown to the operator after a crash.
            on_progress: called on the event loop as things move.

        Raises:
            SeacodError: why there is no text; see `seacod/errors.py` for the kinds.
        """
        began = time.monotonic()
        self._metrics.requests.labels(route).inc()
        try:
            with _needed(upload_path):
                transcript = await self._in_time(upload_path, words, name, on_progress or _ignore)
        except BaseException as error:
            self._failed += _is_our_fault(error)
            if isinstance(error, OutOfMemory):
                self.on_fault("out_of_memory", error.message)
            self._metrics.failed.labels(route, _reason(error)).inc()
            _tell_failed(route, error, time.monotonic() - began)
            raise
        finally:
            self._gauge()
        self._answered += 1
        self._metrics.succeeded.labels(route).inc()
        self._metrics.files.inc()
        self._metrics.audio_seconds.inc(transcript.duration_seconds)
        self._metrics.processing_seconds.labels(route).observe(time.monotonic() - began)
        log.info(
            "transcribed",
            route=route,
            audio_seconds=round(transcript.duration_seconds, 2),
            processing_seconds=round(transcript.processing_seconds, 3),
            queue_seconds=round(transcript.queue_seconds, 3),
            segments=len(transcript.segments),
        )
        return transcript

    async def _in_time(
        self,
        path: Path,
        words: str | Iterable[str] | None,
        name: str,
        on_progress: OnProgress,
    ) -> Transcript:
        ticket = self._admission.admit()
        ticket.label = f"{name or path.name:.80}"
        self._gauge()
        limit = self.limits.request_timeout_seconds
        try:
            return await asyncio.wait_for(self._transcribe(ticket, path, words, on_progress), limit)
        except asyncio.TimeoutError:
            raise DeadlineExceeded(
                f"the recording was not finished within {limit:g} s; try again when there is less "
                "load, or cut it into shorter pieces",
                f"未能在 {limit:g} 秒内完成识别；请稍后重试，或切成较短的片段",
            ) from None
        finally:
            self._admission.leave(ticket)

    async def _transcribe(
        self,
        ticket: Ticket,
        path: Path,
        words: str | Iterable[str] | None,
        on_progress: OnProgress,
    ) -> Transcript:
        clean = hotwords.parse(words, self.limits.max_hotwords)
        on_progress(Progress("decoding", queue_position=self._admission.position(ticket)))
        samples = await asyncio.get_running_loop().run_in_executor(
            self._decoders, self._decode, path
        )
        ticket.label += f" ({len(samples) / SAMPLE_RATE:.1f} s)"
        job = Job(
            samples,
            clean,
            on_start=lambda: self._admission.start(ticket),
            on_progress=lambda done, total: on_progress(Progress("recognising", done, total)),
        )
        future = self._scheduler.submit(job)
        try:
            while not future.done():
                if ticket.started_at is None:
                    position = self._admission.position(ticket)
                    on_progress(Progress("queued", queue_position=position))
                await asyncio.wait([future], timeout=1.0)
            heard = future.result()
        finally:
            job.give_up()
        return self._put_together(ticket, samples, clean, heard)

    def _decode(self, path: Path) -> Samples:
        """On a decoding thread."""
        limits = self.limits
        audio.inspect(path, max_seconds=limits.max_audio_seconds, max_bytes=limits.max_upload_bytes)
        return audio.decode(path, max_seconds=limits.max_audio_seconds)

    def _put_together(
        self, ticket: Ticket, samples: Samples, clean: Hotwords, heard: Heard
    ) -> Transcript:
        now = time.monotonic()
        segments = []
        for span, piece, text in zip(heard.spans, heard.pieces, heard.punctuated, strict=True):
            if not piece.text:
                continue
            start, end = span[0] / SAMPLE_RATE, span[1] / SAMPLE_RATE
            tokens = tuple(
                Token(t.text, start + t.start_seconds, start + t.end_seconds, t.confidence)
                for t in piece.tokens
            )
            segments.append(Segment(start, end, text, piece.confidence, tokens))
        plain = "".join(segment.text for segment in segments)
        known = [t.confidence for s in segments for t in s.tokens if t.confidence is not None]
        warnings = []
        if not segments:
            warnings.append(NO_SPEECH)
        if any(piece.was_retried for piece in heard.pieces):
            warnings.append(RETRIED)
        started = ticket.started_at or now
        return Transcript(
            # Without a punctuation model a blank marks each pause; commas would be invented.
            text=plain if self.engine.has_punctuation else " ".join(s.text for s in segments),
            segments=tuple(segments),
            duration_seconds=len(samples) / SAMPLE_RATE,
            processing_seconds=now - started,
            queue_seconds=started - ticket.admitted_at,
            confidence=sum(known) / len(known) if known else None,
            model=self.engine.name,
            device=self.engine.device,
            hotwords=hotwords.report(clean, plain, self.engine.vocabulary),
            warnings=tuple(warnings),
        )

    def load(self) -> Load:
        """What goes on now."""
        oldest = self._admission.oldest_seconds
        age = time.monotonic() - self._scheduler.last_progress
        return Load(
            in_flight=self._admission.in_flight,
            queue_depth=self._admission.waiting,
            oldest_seconds=oldest,
            progress_age_seconds=age if self._scheduler.is_busy else 0.0,
            answered=self._answered,
            failed=self._failed,
            gpu_reserved_bytes=self._engine.reserved_bytes() if self._engine is not None else 0,
            running=self._admission.running[:500],
        )

    def forgive_pause(self) -> None:
        """Count the model's progress from now on: the whole process stood still."""
        self._scheduler.last_progress = time.monotonic()

    def release_gpu_cache(self) -> None:
        """Between two jobs, give cached device memory back."""
        self._scheduler.run_soon(lambda engine: engine.release_cache())

    def close(self) -> None:
        """End the threads; running work is not waited for."""
        self._scheduler.stop()
        self._decoders.shutdown(wait=False, cancel_futures=True)

    def _gauge(self) -> None:
        self._metrics.in_flight.set(self._admission.in_flight)
        self._metrics.queue_depth.set(self._admission.waiting)


@contextlib.contextmanager
def _needed(path: Path) -> Iterator[None]:
    """No sweep takes the recording away meanwhile.

    Raises:
        BadRequest: one has already: it lay there untouched for too long.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(inuse.held(path))
        except FileNotFoundError:
            raise BadRequest(
                "this upload is not on the server any more; upload the recording again",
                "上传的文件已被清理，请重新上传",
            ) from None
        yield


def _is_our_fault(error: BaseException) -> bool:
    """Whether a request failed for a reason that is neither the client's nor a full queue."""
    if isinstance(error, SeacodError):
        return error.http_status >= 500 and not isinstance(error, (QueueFull, NotReady))
    return isinstance(error, Exception)


def _nobody_listens(kind: str, text: str) -> None:
    """Until the worker does."""


def _reason(error: BaseException) -> str:
    if isinstance(error, SeacodError):
        return error.code
    return "canceled" if isinstance(error, asyncio.CancelledError) else "internal"


def _tell_failed(route: str, error: BaseException, seconds: float) -> None:
    """One line for the operator; a client's mistake is no warning."""
    is_ours = isinstance(error, SeacodError) and error.http_status >= 500
    tell = log.warning if is_ours else log.info
    said = error.message if isinstance(error, SeacodError) else None
    tell(
        "not_transcribed", route=route, reason=_reason(error), said=said, seconds=round(seconds, 3)
    )


def _ignore(progress: Progress) -> None:
    """Nobody watches."""
