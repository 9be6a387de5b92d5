"""The last hour in figures, for the plots of the page's system tab. It outlives every worker."""

from __future__ import annotations

import collections
from dataclasses import dataclass, fields
from typing import Any

import psutil

from seacod.accelerators.base import Gpu
from seacod.protocol import Beat
from seacod.supervisor.watch.time_series import TimeSeries
from seacod.system.processes.cpu_use import CpuUse

INTERVAL_SECONDS = 15.0
_KEPT_SECONDS = 3600.0
# Requests are counted over so many intervals: over one, each of them would be four a minute.
_COUNTED_INTERVALS = 4


@dataclass(frozen=True, slots=True)
class HourFigures:
    """The figures of one moment. None: nobody knew, for example because no worker was there."""

    requests_per_minute: float | None
    in_flight: int | None
    queue_depth: int | None
    cpu_percent: float
    memory_used_bytes: int
    worker_memory_bytes: int | None
    gpu_used_bytes: int | None
    gpu_utilisation_percent: float | None


class History:
    """A ring of figures, one every `INTERVAL_SECONDS`."""

    def __init__(self) -> None:
        self._series: TimeSeries[HourFigures] = TimeSeries(INTERVAL_SECONDS, _KEPT_SECONDS)
        # How many were finished, and how long ago that was before the next: of the same workers.
        self._finished: collections.deque[tuple[int, float]] = collections.deque(
            maxlen=_COUNTED_INTERVALS + 1
        )
        self._cpu_use = CpuUse()
        self._finished_by: tuple[int | None, ...] = ()

    def look(
        self,
        pids: tuple[int | None, ...],
        beat: Beat | None,
        worker_bytes: int | None,
        gpu: Gpu | None,
    ) -> None:
        """Called more often than that; takes what is due.

        Args:
            pids: of the workers in front.
            beat: their last ones, summed; None when nobody serves.
            worker_bytes: their resident memory.
            gpu: the one the first is on.
        """
        # The caller's own rhythm is not exact.
        elapsed = self._series.due(slack_seconds=1.0)
        if elapsed is None:
            return
        ratio = gpu.utilization_ratio if gpu is not None else None
        self._series.add(
            HourFigures(
                self._rate(pids, beat, elapsed),
                beat.in_flight if beat is not None else None,
                beat.queue_depth if beat is not None else None,
                self._cpu_use.percent(),
                _used_memory(),
                worker_bytes,
                gpu.used_bytes if gpu is not None else None,
                None if ratio is None else 100.0 * ratio,
            )
        )

    def as_lists(self) -> dict[str, list[Any]]:
        """`times` in Unix seconds, and a list as long for each figure."""
        return self._series.as_lists(tuple(field.name for field in fields(HourFigures)))

    def _rate(
        self, pids: tuple[int | None, ...], beat: Beat | None, elapsed: float
    ) -> float | None:
        """Requests finished in the last minute, or at their rate since these workers serve."""
        if beat is None or pids != self._finished_by:
            self._finished.clear()
            self._finished_by = pids
        if beat is None:
            return None
        count = beat.answered + beat.failed
        self._finished.append((count, elapsed))
        if len(self._finished) == 1:
            return None
        seconds = sum(one for _, one in list(self._finished)[1:])
        return (count - self._finished[0][0]) * 60.0 / seconds


def _used_memory() -> int:
    memory = psutil.virtual_memory()
    return int(memory.total - memory.available)
