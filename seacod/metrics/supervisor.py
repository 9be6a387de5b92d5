"""What the supervisor knows, and its reading of the worker's files."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.registry import Collector

from seacod.metrics.files import directory
from seacod.metrics.reading import WorkerFigures

if TYPE_CHECKING:
    from seacod.accelerators.base import Gpu

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
    """What the supervisor knows, and its reading of the worker's files.

    Args:
        runtime_directory: where the workers' files are.
        present: the figures of the moment of a scrape; None for none.
    """

    def __init__(self, runtime_directory: Path, present: Collector | None = None) -> None:
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
            "Time without a worker that serves, after a first one; one that hangs serves nobody",
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
        if present is not None:
            self.registry.register(present)
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

    def set_deliveries(self, outcome: str, counts: Mapping[str, int]) -> None:
        """Bring the counters of alert messages up to these, by channel.

        Args:
            outcome: delivered or failed.
            counts: how many so far, of each channel.
        """
        for channel, count in counts.items():
            key = channel, outcome
            self._deliveries.labels(*key).inc(max(0, count - self._delivered.get(key, 0)))
            self._delivered[key] = count

    def swept(self, removed_files: int) -> None:
        """Count the files that a sweep has removed."""
        self.swept_files.inc(removed_files)

    def set_worker_state(self, state: enum.Enum) -> None:
        """Set the series of this state to 1 and those of all others that there are to 0."""
        for one in type(state):
            self.worker_state.labels(one.value).set(1.0 if one is state else 0.0)

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
