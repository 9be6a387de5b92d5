"""Counts what becomes of requests and batches: metrics, one line of the log for each request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from seacod.asr.scheduler import BatchDone
from seacod.errors import NotReady, QueueFull, SeacodError
from seacod.metrics.worker import WorkerMetrics
from seacod.system.net.client_names import is_named, owner
from seacod.transcript import Transcript

log = structlog.get_logger(__name__)

# The client of a request that has ended, the seconds of audio in it, and whether it got its text.
OnEnded = Callable[[str, float, bool], None]


def _nobody_listens(client: str, audio_seconds: float, has_text: bool) -> None:
    """Until the worker says who does."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A request that has ended.

    Args:
        route: where it came from.
        outcome: `text`, or the reason why there is none.
        seconds: from upload received to the end.
        transcript: its text; None where it got none.
        is_our_fault: it failed for a reason that is neither the client's nor a full queue.
    """

    route: str
    outcome: str
    seconds: float
    transcript: Transcript | None = None
    is_our_fault: bool = False


def _nobody_traces(ended: Ended) -> None:
    """Until the worker says who does."""


class RequestCounters:
    """The counters of one worker. `answered` and `failed` count from its start; `failed` has only
    what failed on our side.
    """

    def __init__(self, metrics: WorkerMetrics) -> None:
        self._metrics = metrics
        self.on_ended: OnEnded = _nobody_listens
        self.on_traced: Callable[[Ended], None] = _nobody_traces
        self.answered = 0
        self.failed = 0

    def request(self, route: str) -> None:
        """Count a request that has come."""
        self._metrics.requests.labels(route).inc()

    @contextmanager
    def begun(self, route: str, client: str) -> Iterator[None]:
        """Count a request that has come, and its failure, if it gets no text within the block."""
        began = time.monotonic()
        self.request(route)
        try:
            yield
        except BaseException as error:
            self.failure(route, client, error, time.monotonic() - began)
            raise

    def unheard(self, pieces: int) -> None:
        """Count stretches of speech for which nothing was written."""
        self._metrics.unheard.inc(pieces)

    def present(self, in_flight: int, waiting: int) -> None:
        """Set how many requests there are now."""
        self._metrics.in_flight.set(in_flight)
        self._metrics.queue_depth.set(waiting)

    def microphones(self, count: int) -> None:
        """Set how many microphones are open now."""
        self._metrics.live_sessions.set(count)

    def batch(self, done: BatchDone) -> None:
        """Count a batch. Called on the inference thread; prometheus_client's values have locks."""
        self._metrics.batches.inc()
        self._metrics.batch_size.observe(done.pieces)
        self._metrics.batch_fill.observe(done.audio_seconds / max(done.padded_seconds, 1e-9))
        self._metrics.batch_pieces.inc(done.pieces)
        self._metrics.batch_audio_seconds.inc(done.audio_seconds)
        self._metrics.batch_padded_seconds.inc(done.padded_seconds)
        self._metrics.inference_seconds.inc(done.inference_seconds)
        self._metrics.retried.inc(done.retried)

    def out_of_memory(self) -> None:
        """Count a batch that did not fit, on the inference thread."""
        self._metrics.out_of_memory.inc()

    def failure(self, route: str, client: str, error: BaseException, seconds: float) -> None:
        """Count and log a request that got no text, after so many seconds."""
        self.failed += _is_our_fault(error)
        self._metrics.failed.labels(route, _reason(error)).inc()
        who = owner(client)
        self._metrics.client_requests.labels(_label(who), "failed").inc()
        self._metrics.worker_requests.labels(self._metrics.replica, "failed").inc()
        self.on_ended(who, 0.0, False)
        self.on_traced(Ended(route, _reason(error), seconds, is_our_fault=_is_our_fault(error)))
        _tell_failed(route, who, error, seconds)

    def success(self, route: str, client: str, transcript: Transcript, seconds: float) -> None:
        """Count and log a request that got its text."""
        self.answered += 1
        who = owner(client)
        self._metrics.client_requests.labels(_label(who), "text").inc()
        self._metrics.worker_requests.labels(self._metrics.replica, "text").inc()
        self._metrics.client_audio_seconds.labels(_label(who)).inc(transcript.duration_seconds)
        self.on_ended(who, transcript.duration_seconds, True)
        self.on_traced(Ended(route, "text", seconds, transcript))
        self._metrics.transcribed(route, transcript, seconds)
        factor, duration = transcript.real_time_factor, transcript.duration_seconds
        log.info(
            "transcribed",
            route=route,
            client=who,
            outcome="text",
            seconds=round(seconds, 3),
            audio_seconds=round(duration, 2),
            speech_seconds=round(transcript.speech_seconds, 2),
            speech_share=round(transcript.speech_seconds / duration, 3) if duration else None,
            processing_seconds=round(transcript.processing_seconds, 3),
            queue_seconds=round(transcript.queue_seconds, 3),
            decoding_seconds=round(transcript.decoding_seconds, 3),
            voice_seconds=round(transcript.voice_seconds, 3),
            inference_seconds=round(transcript.inference_seconds, 3),
            real_time_factor=None if factor is None else round(factor, 4),
            segments=len(transcript.segments),
            hotwords=len(transcript.hotwords),
        )


def _label(client: str) -> str:
    return client if is_named(client) else "others"


def _is_our_fault(error: BaseException) -> bool:
    """Whether a request failed for a reason that is neither the client's nor a full queue."""
    if isinstance(error, SeacodError):
        return error.http_status >= 500 and not isinstance(error, (QueueFull, NotReady))
    return isinstance(error, Exception)


def _reason(error: BaseException) -> str:
    if isinstance(error, SeacodError):
        return error.code
    return "canceled" if isinstance(error, asyncio.CancelledError) else "internal"


def _tell_failed(route: str, client: str, error: BaseException, seconds: float) -> None:
    """Log one line for the operator; a client's mistake is not a warning."""
    is_ours = isinstance(error, SeacodError) and error.http_status >= 500
    tell = log.warning if is_ours else log.info
    said, said_zh = (
        (error.message, error.chinese) if isinstance(error, SeacodError) else (None, None)
    )
    tell(
        "not_transcribed", route=route, client=client, outcome=_reason(error),
        reason=_reason(error), said=said, said_zh=said_zh,
        seconds=round(seconds, 3),
    )  # fmt: skip
