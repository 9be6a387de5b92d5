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

    def in_words(self) -> str:
        """The worker's memory and the GPU's: at first, at last, at most; MiB."""
        parts = []
        for name, values in (
            ("worker", [m.worker_bytes for m in self._moments if m.worker_bytes is not None]),
            ("GPU", [m.gpu_used_bytes for m in self._moments if m.gpu_used_bytes is not None]),
        ):
            if values:
                mib = [value >> 20 for value in values]
                parts.append(f"{name} {mib[0]} → {mib[-1]} MiB, at most {max(mib)}")
        return "; ".join(parts)

    def all(self) -> list[Moment]:
        """Oldest first."""
        return list(self._moments)
