"""What the supervisor knows, and its reading of the worker's files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from seacod.metrics.files import directory
from seacod.metrics.reading import WorkerFigures

if TYPE_CHECKING:
    from seacod.accelerators.base import Gpu

WORKER_STATES = (
    "absent", "starting", "serving", "draining", "stopping", "backing_off", "crash_looping",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Present:
    """What is true at the moment of a scrape; None or missing means unknown.

    `memory_bytes`: by role, supervisor, worker or nursery. `deliveries`: so far, by channel and
    outcome.
    """

    cpu_percent: float
    memory_percent: float
    memory_bytes: dict[str, int]
    disk_free_bytes: int | None
    jobs_bytes: int | None
    workers: int
    workers_serving: int
    is_paused: bool
    nursery_is_ready: bool
    beat_age_seconds: float | None
    oldest_request_seconds: float | None
    watchdog_age_seconds: float | None
    outbox_messages: int | None
    queue_length: int
    deliveries: dict[tuple[str, str], int] = field(default_factory=dict)


# name, help, label if any, and where the value is.
PRESENT: tuple[tuple[str, str, str | None, Callable[[Present], Any]], ...] = (
    ("system_cpu_usage_percent", "Use of all processors, 0 to 100", None, lambda p: p.cpu_percent),
    (
        "system_memory_usage_percent", "Memory that is not available, 0 to 100", None,
        lambda p: p.memory_percent,
    ),
    (
        "seacod_process_memory_bytes",
        "Resident memory of our processes: supervisor, workers, nursery with the next worker",
        "process",
        lambda p: p.memory_bytes,
    ),
    (
        "seacod_disk_free_bytes", "Free space where uploads go", None,
        lambda p: p.disk_free_bytes,
    ),
    (
        "seacod_jobs_bytes", "What batches hold on the disk: recordings and results", None,
        lambda p: p.jobs_bytes,
    ),
    (
        "seacod_workers", "Workers there are to be (supervisor.workers)", None,
        lambda p: p.workers,
    ),
    ("seacod_workers_serving", "Workers that serve now", None, lambda p: p.workers_serving),
    (
        "seacod_paused", "1 while nothing new is taken (seacod pause)", None,
        lambda p: int(p.is_paused),
    ),
    (
        "seacod_nursery_ready", "1 while the next worker could be forked at once", None,
        lambda p: int(p.nursery_is_ready),
    ),
    (
        "seacod_worker_beat_age_seconds", "Since the worker's last sign of life", None,
        lambda p: p.beat_age_seconds,
    ),
    (
        "seacod_oldest_request_seconds",
        "How long the oldest request in the worker has been there",
        None,
        lambda p: p.oldest_request_seconds,
    ),
    (
        "seacod_watchdog_age_seconds", "Since systemd was last told that we live", None,
        lambda p: p.watchdog_age_seconds,
    ),
    (
        "seacod_alert_outbox_messages", "Alert messages that wait for delivery", None,
        lambda p: p.outbox_messages,
    ),
    (
        "seacod_queue_length", "Requests that may wait (limits.queue_length)", None,
        lambda p: p.queue_length,
    ),
)  # fmt: skip


class _PresentFigures(Collector):
    """Collects the figures of the moment; what is unknown has no series."""

    def __init__(self) -> None:
        self.now: Present | None = None

    def describe(self) -> Iterable[Metric]:
        for name, text, label, _ in PRESENT:
            yield GaugeMetricFamily(name, text, labels=[label] if label else None)

    def collect(self) -> Iterable[Metric]:
        for name, text, label, value_of in PRESENT:
            family = GaugeMetricFamily(name, text, labels=[label] if label else None)
            value = value_of(self.now) if self.now is not None else None
            if label is None:
                if value is not None:
                    family.add_metric([], value)
            else:
                for key, one in (value or {}).items():
                    family.add_metric([key], one)
            yield family


# Of each GPU: name, help, and its value; None, and no series, where it is unknown.
GPU: tuple[tuple[str, str, Callable[[Gpu], float | None]], ...] = (
    ("seacod_gpu_memory_used_bytes", "GPU memory in use, by anybody", lambda g: g.used_bytes),
    ("seacod_gpu_memory_bytes", "GPU memory there is", lambda g: g.total_bytes),
    ("gpu_memory_used_mb", "GPU memory in use, in MiB", lambda g: g.used_bytes / 2**20),
    (
        "gpu_util_percent", "GPU use, 0 to 100",
        lambda g: None if g.utilization_ratio is None else g.utilization_ratio * 100,
    ),
    (
        "seacod_gpu_temperature_celsius", "Temperature of the GPU",
        lambda g: g.temperature_celsius,
    ),
    ("seacod_gpu_power_watts", "Power the GPU draws", lambda g: g.power_watts),
)  # fmt: skip


class SupervisorMetrics:
    """What the supervisor knows, and its reading of the worker's files."""

    def __init__(self, runtime_directory: Path) -> None:
        self._directory = directory(runtime_directory)
        self.registry = CollectorRegistry(support_collectors_without_names=True)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=self.registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=self.registry)

        self.worker_state = gauge(
            "seacod_worker_state", "1 for the state the worker is in", "state"
        )
        self.restarts = counter(
            "seacod_worker_restarts",
            "Workers that ended without being asked to, by cause",
            "cause",
        )
        self._away_seconds = counter(
            "seacod_worker_away_seconds",
            "Time without a serving worker after a first one served",
        )
        self._away_seen = 0.0
        self.fallback = counter(
            "seacod_front_door_answers",
            "Requests the supervisor answered with 503 because no worker served",
        )
        self.watch_failures = counter(
            "seacod_watch_failures",
            "Watches of the supervisor that failed and were restarted",
            "watch",
        )
        self.swept_files = counter(
            "seacod_temp_files_removed", "Leftover uploads removed by the sweep"
        )
        self._gpus = [(gauge(name, text, "gpu"), value_of) for name, text, value_of in GPU]
        self._gpu_processes = gauge(
            "seacod_gpu_process_memory_bytes",
            "GPU memory by whose it is: own (this service's processes) or other",
            "gpu",
            "owner",
        )
        self._gpu_full_by_others = gauge(
            "seacod_gpu_full_by_others",
            "1 while other programs keep the GPU nearly full (gpu.limit_ratio), also where the "
            "model is on the processor",
            "gpu",
        )
        self._present = _PresentFigures()
        self.registry.register(self._present)
        self._deliveries = counter(
            "seacod_alert_deliveries",
            "Tries to deliver alert messages, by channel and outcome (delivered, failed)",
            "channel",
            "outcome",
        )
        self._delivered: dict[tuple[str, str], int] = {}
        self.build = gauge("seacod_build_info", "Always 1; the version is in the label", "version")
        self._directory.mkdir(parents=True, exist_ok=True)
        # Of the workers of a supervisor that was killed: none of them lives.
        for path in self._directory.glob("gauge_live*.db"):
            path.unlink(missing_ok=True)
        self.registry.register(WorkerFigures(self._directory))

    @property
    def directory(self) -> Path:
        """Where the workers' figures lie."""
        return self._directory

    def set_gpus(
        self,
        gpus: list[Gpu],
        own_pids: frozenset[int] = frozenset(),
        full_by_others: frozenset[int] = frozenset(),
    ) -> None:
        """Set the present figures of every GPU; an empty list when they are unknown.

        Args:
            gpus: as read just now.
            own_pids: the pids of this service's processes.
            full_by_others: the numbers of those that others keep nearly full.
        """
        # Absent while unknown: the last value of a lost GPU is a lie.
        for gauge, value_of in self._gpus:
            gauge.clear()
            for gpu in gpus:
                if (value := value_of(gpu)) is not None:
                    gauge.labels(str(gpu.index)).set(value)
        self._gpu_processes.clear()
        self._gpu_full_by_others.clear()
        for gpu in gpus:
            self._gpu_full_by_others.labels(str(gpu.index)).set(gpu.index in full_by_others)
            if (own := gpu.used_by(own_pids)) is not None:
                label = str(gpu.index)
                self._gpu_processes.labels(label, "own").set(own)
                self._gpu_processes.labels(label, "other").set(max(0, gpu.used_bytes - own))

    def set_present(self, now: Present) -> None:
        """Set the figures of the moment, just before a scrape; what is unknown has no series."""
        self._present.now = now
        for key, count in now.deliveries.items():
            self._deliveries.labels(*key).inc(max(0, count - self._delivered.get(key, 0)))
            self._delivered[key] = count

    def swept(self, removed_files: int) -> None:
        """Count the files that a sweep has removed."""
        self.swept_files.inc(removed_files)

    def set_worker_state(self, state: str) -> None:
        """Set the series of this state to 1 and all others to 0."""
        for name in WORKER_STATES:
            self.worker_state.labels(name).set(1.0 if name == state else 0.0)

    def set_away_seconds(self, total: float) -> None:
        """Bring the counter up to the time measured so far."""
        self._away_seconds.inc(max(0.0, total - self._away_seen))
        self._away_seen = max(total, self._away_seen)

    def worker_gone(self, slot: str) -> None:
        """Remove the live gauges of a dead worker; its counters stay."""
        for path in self._directory.glob(f"gauge_live*_{slot}.db"):
            path.unlink(missing_ok=True)

    def remove_torn_files(self) -> None:
        """Remove files that were cut off when they were made (0 bytes): they would make every
        scrape raise struct.error."""
        for path in self._directory.glob("*.db"):
            if path.stat().st_size == 0:
                path.unlink(missing_ok=True)
