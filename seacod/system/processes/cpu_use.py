"""Use of all processors between two looks. psutil.cpu_percent() keeps one look for all that ask: of
two who ask in one moment the second hears 0 or 100 %."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil

# Of a shorter time the kernel's ticks (10 ms) would make steps of whole percents.
_LEAST_SECONDS = 2.0


class CpuUse:
    """One asker's; each has its own.

    Args:
        clock: monotonic seconds.
        times: seconds since the machine's start, of all processors: busy, and in all.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        times: Callable[[], tuple[float, float]] | None = None,
    ) -> None:
        self._clock = clock
        self._times = times or _times
        self._at, self._before = clock(), self._times()
        self._percent: float | None = None

    def percent(self) -> float:
        """0 to 100, since the look before; who asks again within two seconds hears the same."""
        now = self._clock()
        if self._percent is not None and now - self._at < _LEAST_SECONDS:
            return self._percent
        busy, total = self._times()
        busy_before, total_before = self._before
        self._at, self._before = now, (busy, total)
        if total > total_before:
            part = (busy - busy_before) / (total - total_before)
            self._percent = round(100.0 * min(1.0, max(0.0, part)), 1)
        return self._percent or 0.0


def _times() -> tuple[float, float]:
    found = psutil.cpu_times()
    # What guests use is in the other figures already.
    total = sum(found) - found.guest - found.guest_nice
    return total - found.idle - found.iowait, total
