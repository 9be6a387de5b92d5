"""What a worker counts. Names without a unit are those that operators know from before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from seacod import errors
from seacod.routes import ROUTES

if TYPE_CHECKING:
    from seacod.transcript import Transcript

# Seconds. Measured with the built-in model on two cores, short audio takes 0.03 to 0.1 and 14 s of
# it 0.06 to 0.6 under load; a large model on a GPU takes about that, a queue minutes.
_DURATION = (0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 20, 30, 60, 120, 300)
# Processing over length: 0.004 for minutes of audio on two cores, 1 is as long as the audio.
_FACTOR = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)
_SEGMENTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64)
_FILL = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
# How long the audio was: label, and the length in seconds up to which it holds.
LENGTHS = (("under_10s", 10.0), ("10s_to_1m", 60.0), ("1m_to_5m", 300.0), ("5m_to_30m", 1800.0),
           ("over_30m", float("inf")))  # fmt: skip
# Why a request got no text: the code of any error that has a status of its own.
REASONS = tuple(
    sorted(
        known.code
        for known in vars(errors).values()
        if isinstance(known, type)
        and issubclass(known, errors.SeacodError)
        and "http_status" in vars(known)
    )
)
HOTWORD_STATUSES = ("matched", "not_heard", "unknown_characters", "ignored")
CALLBACK_RESULTS = ("delivered", "not_taken", "given_up")
LOGIN_RESULTS = ("right", "wrong", "too_many", "busy")
STAGES = ("queue", "decode", "vad", "inference", "other")


class WorkerMetrics:
    """The figures of one worker.

    Args:
        replica: which of the workers it is, from 1.
    """

    def __init__(self, replica: int = 1) -> None:
        registry = CollectorRegistry()
        self.registry = registry
        self.replica = str(replica)

        def counter(name: str, text: str, labels: Sequence[str] = ()) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            # Only of workers that live: the last value of a dead one is a lie.
            return Gauge(name, text, registry=registry, multiprocess_mode="livesum")

        def histogram(
            name: str, text: str, buckets: Sequence[float], labels: Sequence[str] = ()
        ) -> Histogram:
            return Histogram(name, text, labels, buckets=buckets, registry=registry)

        self.requests = counter(
            "asr_requests", "Requests that reached the transcription service", ["route"]
        )
        self.succeeded = counter("asr_requests_success", "Requests answered with a text", ["route"])
        self.failed = counter(
            "asr_requests_failed",
            "Requests not answered with a text, by reason",
            ["route", "reason"],
        )
        self.processing_seconds = histogram(
            "asr_processing_duration_seconds",
            "Time from upload received to text ready, waiting included",
            _DURATION,
            ["route"],
        )
        self.by_length = histogram(
            "asr_processing_duration_by_length_seconds",
            "The same, by the length of the audio: " + ", ".join(name for name, _ in LENGTHS),
            _DURATION,
            ["length"],
        )
        self.stages = histogram(
            "asr_stage_duration_seconds",
            "Time a request spent in each stage: " + ", ".join(STAGES)
            + " (other: waiting for the model, putting together)",
            _DURATION,
            ["stage"],
        )  # fmt: skip
        self.real_time_factor = histogram(
            "asr_real_time_factor", "Processing time over length of the audio", _FACTOR
        )
        self.audio_seconds = counter("asr_audio_duration_seconds", "Seconds of audio transcribed")
        self.speech_seconds = counter(
            "asr_speech_duration_seconds", "Seconds of speech found in that audio"
        )
        self.files = counter("asr_processed_files", "Recordings transcribed")
        self.hotwords = counter(
            "asr_hotwords",
            "Hotwords of answered requests, by what became of them",
            ["status"],
        )
        self.with_hotwords = counter(
            "asr_requests_with_hotwords", "Answered requests that had hotwords"
        )
        self.batches = counter("asr_batches", "Batches the model was given")
        self.batch_pieces = counter("asr_batch_segments", "Segments of speech in these batches")
        self.batch_size = histogram("asr_batch_size_segments", "Segments in a batch", _SEGMENTS)
        self.batch_fill = histogram(
            "asr_batch_fill_ratio",
            "Seconds of speech in a batch over the seconds it occupied (the rest is padding)",
            _FILL,
        )
        self.batch_audio_seconds = counter(
            "asr_batch_audio_seconds", "Seconds of speech in these batches"
        )
        self.batch_padded_seconds = counter(
            "asr_batch_padded_seconds",
            "Seconds these batches occupied: the longest segment times their number",
        )
        self.inference_seconds = counter("asr_inference_seconds", "Seconds the model worked")
        self.out_of_memory = counter(
            "asr_out_of_memory",
            "Batches that did not fit into the memory of the device and were halved",
        )
        self.retried = counter(
            "asr_segments_retried",
            "Segments recognised a second time because nothing came back",
        )
        self.unheard = counter(
            "asr_segments_unheard",
            "Segments with speech for which the model wrote nothing, even alone",
        )
        self.missing_seconds = counter(
            "asr_audio_missing_seconds",
            "Seconds of audio that files did not hold or that could not be decoded",
        )
        self.warnings = counter(
            "asr_warnings", "Answered requests with a warning, by its code", ["code"]
        )
        self.client_requests = counter(
            "asr_client_requests",
            "Requests that ended, by who asked (a key, a user; others: without a name) and whether "
            "they got a text",
            ["client", "outcome"],
        )
        self.client_audio_seconds = counter(
            "asr_client_audio_seconds", "Seconds of audio transcribed, by who asked", ["client"]
        )
        self.worker_requests = counter(
            "asr_worker_requests",
            "Requests that ended, by the worker that had them (from 1) and whether they got a text",
            ["worker", "outcome"],
        )
        self.trace_spans = counter(
            "asr_trace_spans",
            "Spans of requests for tracing.otlp_endpoint, by outcome: exported, or dropped (it did "
            "not take them, or not as fast as they came)",
            ["outcome"],
        )
        self.in_flight = gauge("asr_requests_in_flight", "Requests being worked on now")
        self.queue_depth = gauge("asr_queue_depth", "Requests waiting for the model")
        self.live_sessions = gauge("asr_live_sessions", "Microphones that are open now")
        self.logins = counter(
            "asr_logins",
            "Tries to log in with a password, by result: " + ", ".join(LOGIN_RESULTS)
            + " (too_many: not looked at after too many wrong ones; busy: too many at once)",
            ["result"],
        )  # fmt: skip
        self.callbacks = counter(
            "asr_callbacks",
            "Tries to tell a client that its batch is over, by result: "
            + ", ".join(CALLBACK_RESULTS)
            + " (not_taken: tried again later; given_up: after outgoing.callback_hours)",
            ["result"],
        )  # fmt: skip
        # What may come is there from the start: a rate of nothing is 0, not a gap.
        for route in ROUTES:
            for by_route in (self.requests, self.succeeded, self.processing_seconds):
                by_route.labels(route)
            for reason in REASONS:
                self.failed.labels(route, reason)
        self.trace_spans.labels("exported")
        self.trace_spans.labels("dropped")
        self.worker_requests.labels(self.replica, "text")
        self.worker_requests.labels(self.replica, "failed")
        for stage in STAGES:
            self.stages.labels(stage)
        for name, _ in LENGTHS:
            self.by_length.labels(name)
        for status in HOTWORD_STATUSES:
            self.hotwords.labels(status)
        for result in LOGIN_RESULTS:
            self.logins.labels(result)
        for result in CALLBACK_RESULTS:
            self.callbacks.labels(result)

    def transcribed(self, route: str, transcript: Transcript, seconds: float) -> None:
        """Count a request that was answered with a text.

        Args:
            route: where it came from.
            transcript: its text, with its figures.
            seconds: from upload received to text ready.
        """
        self.succeeded.labels(route).inc()
        self.files.inc()
        self.audio_seconds.inc(transcript.duration_seconds)
        self.speech_seconds.inc(transcript.speech_seconds)
        self.processing_seconds.labels(route).observe(seconds)
        self.by_length.labels(length_of(transcript.duration_seconds)).observe(seconds)
        for stage, took in transcript.stages.items():
            self.stages.labels(stage).observe(took)
        if transcript.real_time_factor is not None:
            self.real_time_factor.observe(transcript.real_time_factor)
        if transcript.hotwords:
            self.with_hotwords.inc()
        self.missing_seconds.inc(transcript.missing_seconds)
        for code in {warning.code for warning in transcript.warnings}:
            self.warnings.labels(code).inc()
        for report in transcript.hotwords:
            self.hotwords.labels(report.status).inc()


def length_of(seconds: float) -> str:
    """The label for audio of this length."""
    return next(name for name, longest in LENGTHS if seconds < longest)
