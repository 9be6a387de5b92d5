"""What the supervisor knows, and its reading of the worker's files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
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


def _shown(metric: str, text: str, label: str | None = None) -> Any:
    """A figure that is shown as this metric, with this help; of one with parts, their label."""
    return field(metadata={"of": (metric, text, None, [label] if label else None)})


@dataclass(frozen=True, slots=True)
class Present:
    """What is true at the moment of a scrape; None or missing means unknown.

    `memory_bytes`: by role, supervisor, worker or nursery. `deliveries`: so far, by channel and
    outcome.
    """

    cpu_percent: float = _shown("system_cpu_usage_percent", "Use of all processors, 0 to 100")
    memory_percent: float = _shown(
        "system_memory_usage_percent", "Memory that is not available, 0 to 100"
    )
    memory_bytes: dict[str, int] = _shown(
        "seacod_process_memory_bytes",
        "Resident memory of our processes: supervisor, workers, nursery with the next worker",
        "process",
    )
    disk_free_bytes: int | None = _shown("seacod_disk_free_bytes", "Free space where uploads go")
    jobs_bytes: int | None = _shown(
        "seacod_jobs_bytes", "What batches hold on the disk: recordings and results"
    )
    workers: int = _shown("seacod_workers", "Workers that are wanted (supervisor.workers)")
    workers_serving: int = _shown("seacod_workers_serving", "Workers that serve now")
    is_paused: bool = _shown("seacod_paused", "1 while nothing new is taken (seacod pause)")
    nursery_is_ready: bool = _shown(
        "seacod_nursery_ready", "1 while the next worker could be forked at once"
    )
    beat_age_seconds: float | None = _shown(
        "seacod_worker_beat_age_seconds", "Since the worker's last sign of life"
    )
    oldest_request_seconds: float | None = _shown(
        "seacod_oldest_request_seconds", "How long the oldest request in the worker has been there"
    )
    watchdog_age_seconds: float | None = _shown(
        "seacod_watchdog_age_seconds", "Since systemd was last told that we live"
    )
    outbox_messages: int | None = _shown(
        "seacod_alert_outbox_messages", "Alert messages that wait for delivery"
    )
    queue_length: int = _shown(
        "seacod_queue_length", "Requests that may wait (limits.queue_length)"
    )
    deliveries: dict[tuple[str, str], int] = field(default_factory=dict)


class _PresentFigures(Collector):
    """Collects the figures of the moment; what is unknown has no series."""

    def __init__(self) -> None:
        self.now: Present | None = None

    def _families(self) -> Iterable[tuple[str, GaugeMetricFamily]]:
        for one in fields(Present):
            if "of" in one.metadata:
                yield one.name, GaugeMetricFamily(*one.metadata["of"])

    def describe(self) -> Iterable[Metric]:
        return [family for _, family in self._families()]

    def collect(self) -> Iterable[Metric]:
        for name, family in self._families():
            value = getattr(self.now, name, None)
            if isinstance(value, dict):
                for key, one in value.items():
                    family.add_metric([key], one)
            elif value is not None:
                family.add_metric([], value)
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
