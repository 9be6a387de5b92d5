"""Every metric: name, type, labels, help. The one place; nobody else makes one.

prometheus_client works in multiprocess mode: the worker writes into memory-mapped files under
the runtime directory, the supervisor reads them when it is scraped. So counters survive a
worker's death and `/metrics` answers while there is no worker. Call `use_directory` before the
first `WorkerMetrics()`.

The supervisor's own values are ordinary gauges and counters in its memory (`SupervisorMetrics`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import prometheus_client.values
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    multiprocess,
)

if TYPE_CHECKING:
    from seacod.supervisor.gpu import Gpu
    from seacod.supervisor.sweeper import Swept

# The time a series was made says nothing here, and doubles the page.
disable_created_metrics()  # type: ignore[no-untyped-call]

# Changed buckets merge wrongly with old files, so the directory's name carries the layout.
LAYOUT = "v1"

# Whole request, by seconds: a warm GPU answers short audio in tens of ms, a queue takes minutes.
_DURATION_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300)

WORKER_STATES = (
    "absent", "starting", "serving", "draining", "stopping", "backing_off", "crash_looping",
)  # fmt: skip


def directory(runtime_directory: Path) -> Path:
    """Where the memory-mapped files of one service lie."""
    return runtime_directory / f"metrics-{LAYOUT}"


def use_directory(runtime_directory: Path, slot: str) -> None:
    """Make this process write its values into files of `slot` (a stable name, not a pid).

    A stable slot lets the next worker go on with the counters of the last one; two processes
    alive at once need different slots. Must run before any metric is made.
    """
    path = directory(runtime_directory)
    path.mkdir(parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(path)
    prometheus_client.values.ValueClass = prometheus_client.values.MultiProcessValue(  # type: ignore[no-untyped-call]
        process_identifier=lambda: slot
    )


class WorkerMetrics:
    """What the worker counts. Names without a unit suffix are those the operators know."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.requests = Counter(
            "asr_requests",
            "Requests that reached the transcription service",
            ["route"],
            registry=registry,
        )
        self.succeeded = Counter(
            "asr_requests_success", "Requests answered with a text", ["route"], registry=registry
        )
        self.failed = Counter(
            "asr_requests_failed",
            "Requests not answered with a text, by reason",
            ["route", "reason"],
            registry=registry,
        )
        self.processing_seconds = Histogram(
            "asr_processing_duration_seconds",
            "Time from upload received to text ready",
            ["route"],
            buckets=_DURATION_BUCKETS,
            registry=registry,
        )
        self.audio_seconds = Counter(
            "asr_audio_duration_seconds", "Seconds of audio transcribed", registry=registry
        )
        self.files = Counter("asr_processed_files", "Recordings transcribed", registry=registry)
        self.batches = Counter("asr_batches", "Batches the model was given", registry=registry)
        self.batch_pieces = Counter(
            "asr_batch_segments", "Segments of speech in these batches", registry=registry
        )
        self.batch_audio_seconds = Counter(
            "asr_batch_audio_seconds", "Seconds of speech in these batches", registry=registry
        )
        self.batch_padded_seconds = Counter(
            "asr_batch_padded_seconds",
            "Seconds these batches occupied: the longest segment times their number",
            registry=registry,
        )
        self.inference_seconds = Counter(
            "asr_inference_seconds", "Seconds the model worked", registry=registry
        )
        self.out_of_memory = Counter(
            "asr_out_of_memory",
            "Batches that did not fit into the memory of the device and were halved",
            registry=registry,
        )
        self.retried = Counter(
            "asr_segments_retried",
            "Segments recognised a second time because nothing came back",
            registry=registry,
        )
        self.unheard = Counter(
            "asr_segments_unheard",
            "Segments with speech for which the model wrote nothing, even alone",
            registry=registry,
        )
        self.in_flight = Gauge(
            "asr_requests_in_flight",
            "Requests being worked on now",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.queue_depth = Gauge(
            "asr_queue_depth",
            "Requests waiting for the model",
            registry=registry,
            multiprocess_mode="livesum",
        )


class SupervisorMetrics:
    """What the supervisor knows, and its reading of the worker's files."""

    def __init__(self, runtime_directory: Path) -> None:
        self._directory = directory(runtime_directory)
        self.registry = CollectorRegistry(support_collectors_without_names=True)
        self.worker_state = Gauge(
            "seacod_worker_state",
            "1 for the state the worker is in",
            ["state"],
            registry=self.registry,
        )
        self.restarts = Counter(
            "seacod_worker_restarts",
            "Workers that ended without being asked to, by cause",
            ["cause"],
            registry=self.registry,
        )
        self._away_seconds = Counter(
            "seacod_worker_away_seconds",
            "Time without a serving worker after a first one served",
            registry=self.registry,
        )
        self._away_seen = 0.0
        self.front_door = Counter(
            "seacod_front_door_answers",
            "Requests the supervisor answered 503 for want of a worker",
            registry=self.registry,
        )
        self.watch_failures = Counter(
            "seacod_watch_failures",
            "Watches of the supervisor that broke and were begun anew",
            ["watch"],
            registry=self.registry,
        )
        self.swept_files = Counter(
            "seacod_temp_files_removed",
            "Leftover uploads removed by the sweep",
            registry=self.registry,
        )
        # Absent while unknown: the last value of a lost GPU is a lie.
        self._gpu_used = Gauge(
            "seacod_gpu_memory_used_bytes", "GPU memory in use, by anybody", ["gpu"],
            registry=self.registry,
        )  # fmt: skip
        self._gpu_total = Gauge(
            "seacod_gpu_memory_bytes", "GPU memory there is", ["gpu"], registry=self.registry
        )
        self._gpu_used_mb = Gauge(
            "gpu_memory_used_mb", "GPU memory in use, in MiB", ["gpu"], registry=self.registry
        )
        self._gpu_util = Gauge(
            "gpu_util_percent", "GPU use, 0 to 100", ["gpu"], registry=self.registry
        )
        self.build = Gauge(
            "seacod_build_info",
            "Always 1; the version is in the label",
            ["version"],
            registry=self.registry,
        )
        self._directory.mkdir(parents=True, exist_ok=True)
        multiprocess.MultiProcessCollector(  # type: ignore[no-untyped-call]
            self.registry, path=str(self._directory)
        )

    def set_gpus(self, gpus: list[Gpu]) -> None:
        """The present figures of every GPU; of none when they are unknown."""
        for gauge in (self._gpu_used, self._gpu_total, self._gpu_used_mb, self._gpu_util):
            gauge.clear()
        for gpu in gpus:
            label = str(gpu.index)
            self._gpu_used.labels(label).set(gpu.used_bytes)
            self._gpu_total.labels(label).set(gpu.total_bytes)
            self._gpu_used_mb.labels(label).set(gpu.used_bytes / 2**20)
            if gpu.utilization_ratio is not None:
                self._gpu_util.labels(label).set(gpu.utilization_ratio * 100)

    def swept(self, done: Swept) -> None:
        """A sweep has removed so many files."""
        self.swept_files.inc(done.removed_files)

    def set_worker_state(self, state: str) -> None:
        """Exactly one state is 1."""
        for name in WORKER_STATES:
            self.worker_state.labels(name).set(1.0 if name == state else 0.0)

    def set_away_seconds(self, total: float) -> None:
        """Bring the counter up to the time measured so far."""
        self._away_seconds.inc(max(0.0, total - self._away_seen))
        self._away_seen = max(total, self._away_seen)

    def worker_gone(self, slot: str) -> None:
        """A dead worker's live gauges go away; its counters stay."""
        for path in self._directory.glob(f"gauge_live*_{slot}.db"):
            path.unlink(missing_ok=True)

    def remove_torn_files(self) -> None:
        """A file cut off at birth (0 bytes) would make every scrape raise struct.error."""
        for path in self._directory.glob("*.db"):
            if path.stat().st_size == 0:
                path.unlink(missing_ok=True)
