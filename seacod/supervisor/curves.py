"""The memory curves of the last ten minutes, kept for the case of a crash."""

from __future__ import annotations

import collections
from dataclasses import dataclass

INTERVAL_SECONDS = 5.0
KEPT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading. `at` is Unix seconds; None: unknown then."""

    at: float
    worker_bytes: int | None
    gpu_used_bytes: int | None
    gpu_own_bytes: int | None


class Curves:
    """A ring of readings."""

    def __init__(self) -> None:
        self._moments: collections.deque[Moment] = collections.deque(
            maxlen=int(KEPT_SECONDS / INTERVAL_SECONDS)
        )

    def add(self, moment: Moment) -> None:
        self._moments.append(moment)

    def all(self) -> list[Moment]:
        """Oldest first."""
        return list(self._moments)
