"""When a worker that works well is replaced all the same: it has done its share, it is old, or its
memory grows with every request. Arithmetic; the replacement itself is the lifecycle's.
"""

from __future__ import annotations

import collections
import random
from dataclasses import dataclass

from seacod.config.worker import WorkerSettings
from seacod.system.text.words import Words

# Fewer points, or fewer requests between the first and the last, are no trend.
_MIN_POINTS = 10
_MIN_REQUESTS = 100
_MAX_POINTS = 240
# A new worker fills its caches first: its first requests say nothing about a leak.
_WARM_UP_REQUESTS = 20
# Several services on one machine must not all be replaced at the same moment.
_JITTER = 0.1
# The quiet moment: no request inside for so long; after the longer time without one, any moment.
QUIET_SECONDS = 3.0
PATIENCE_SECONDS = 3600.0
# Before the same worker is tried to be replaced again: the fresh one did not get ready.
_AGAIN_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Point:
    """Memory of an idle worker after so many requests."""

    requests: int
    host_bytes: int
    gpu_bytes: int


@dataclass(frozen=True, slots=True)
class Leak:
    """Memory that grows with every request."""

    what: str
    bytes_per_request: float
    grown_bytes: int
    requests: int


class LeakWatch:
    """The trend of one worker's memory after equal work."""

    def __init__(self) -> None:
        self._points: collections.deque[Point] = collections.deque(maxlen=_MAX_POINTS)

    def add(self, point: Point) -> None:
        """A reading of an idle worker; one without new requests says nothing new."""
        if point.requests < _WARM_UP_REQUESTS:
            return
        if self._points and point.requests <= self._points[-1].requests:
            return
        self._points.append(point)

    def found(self, bytes_per_request: int, min_growth_bytes: int) -> Leak | None:
        """The leak, if the trend is one.

        The slope is that of the least-squares line; the growth is that line's, from the first point
        to the last, so that a single large recording is none.
        """
        if not bytes_per_request or len(self._points) < _MIN_POINTS:
            return None
        requests = [point.requests for point in self._points]
        span = requests[-1] - requests[0]
        if span < _MIN_REQUESTS:
            return None
        for what in ("host", "gpu"):
            sizes = [getattr(point, f"{what}_bytes") for point in self._points]
            slope = _slope(requests, sizes)
            half = len(sizes) // 2
            # A cache that has filled up is steep in its first half only.
            late = _slope(requests[half:], sizes[half:])
            grown = slope * span
            if min(slope, late) > bytes_per_request and grown > min_growth_bytes:
                return Leak(what, slope, int(grown), span)
        return None


def _slope(xs: list[int], ys: list[int]) -> float:
    """The slope of the least-squares line through the points."""
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    if not spread:
        return 0.0
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread


class Recycling:
    """Decides for one worker after the other when it has to go.

    Args:
        random_: for the jitter.
    """

    def __init__(self, random_: random.Random) -> None:
        self._random = random_
        self._pid: int | None = None
        self._jitter = 1.0
        self._leaks = LeakWatch()
        self._quiet_since: float | None = None
        self._due_since: float | None = None
        self._not_before = 0.0
        self.leak: Leak | None = None

    def look(
        self, now: float, pid: int, age_seconds: float, point: Point, is_idle: bool,
        settings: WorkerSettings,
    ) -> Words | None:  # fmt: skip
        """One look at the worker in front.

        Args:
            now: seconds, monotonic.
            pid: its own; another one begins anew.
            age_seconds: since it began to serve.
            point: its memory and requests.
            is_idle: no request is inside.
            settings: the limits.

        Returns:
            Why it is to be replaced now; None to let it be.
        """
        if pid != self._pid:
            self._pid, self._leaks, self.leak = pid, LeakWatch(), None
            self._quiet_since = self._due_since = None
            self._not_before = 0.0
            self._jitter = self._random.uniform(1 - _JITTER, 1 + _JITTER)
        if is_idle:
            self._leaks.add(point)
        if not is_idle:
            self._quiet_since = None
        elif self._quiet_since is None:
            self._quiet_since = now
        cause = self._cause(age_seconds, point, settings)
        if cause is None:
            self._due_since = None
            return None
        if self._due_since is None:
            self._due_since = now
        is_quiet = self._quiet_since is not None and now - self._quiet_since >= QUIET_SECONDS
        if not is_quiet and now - self._due_since < PATIENCE_SECONDS:
            return None
        if now < self._not_before:
            return None
        self._due_since = None
        self._not_before = now + _AGAIN_SECONDS
        return cause

    def _cause(self, age_seconds: float, point: Point, settings: WorkerSettings) -> Words | None:
        if settings.max_requests and point.requests >= settings.max_requests * self._jitter:
            return (
                f"it has answered {point.requests} requests (worker.max_requests)",
                f"已应答 {point.requests} 个请求（worker.max_requests）",
            )
        if settings.max_age_seconds and age_seconds >= settings.max_age_seconds * self._jitter:
            return (
                f"it is {age_seconds:.0f} s old (worker.max_age_seconds)",
                f"已运行 {age_seconds:.0f} 秒（worker.max_age_seconds）",
            )
        self.leak = self._leaks.found(
            settings.leak_bytes_per_request, settings.leak_min_growth_bytes
        )
        if self.leak is not None:
            a_request, grown = self.leak.bytes_per_request / 1e6, self.leak.grown_bytes >> 20
            return (
                f"its {self.leak.what} memory grows by {a_request:.1f} MB "
                f"a request ({grown} MiB in {self.leak.requests} requests)",
                f"{'显存' if self.leak.what == 'gpu' else '内存'}每个请求增长 {a_request:.1f} MB"
                f"（{self.leak.requests} 个请求共增长 {grown} MiB）",
            )
        return None
