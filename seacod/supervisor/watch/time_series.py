"""Readings over time in a bounded series: the memory of the last ten minutes for the dossier of a
crash, the last hour for the page. Whoever takes the readings adds them; nothing is read here.
"""

from __future__ import annotations

import collections
import time
from typing import Any, Generic, TypeVar

from seacod.supervisor.clock import Clock

Row = TypeVar("Row")


class TimeSeries(Generic[Row]):
    """Rows of named figures, one an interval; the oldest go.

    Args:
        interval_seconds: between two rows.
        kept_seconds: how far back it goes.
        clock: tells the time.
    """

    def __init__(self, interval_seconds: float, kept_seconds: float, clock: Clock = time) -> None:
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._added_at = float("-inf")
        self._rows: collections.deque[tuple[float, Row]] = collections.deque(
            maxlen=int(kept_seconds / interval_seconds)
        )

    def due(self, slack_seconds: float = 0.0) -> float | None:
        """Seconds since the last row, infinite before the first; None when no new one is due.

        Args:
            slack_seconds: so much earlier than the interval counts as due, too.
        """
        elapsed = self._clock.monotonic() - self._added_at
        return elapsed if elapsed >= self._interval_seconds - slack_seconds else None

    def add(self, row: Row) -> None:
        """Append a reading of this moment."""
        self._added_at = self._clock.monotonic()
        self._rows.append((self._clock.time(), row))

    def rows(self) -> list[tuple[float, Row]]:
        """Each row with its time in Unix seconds, oldest first."""
        return list(self._rows)

    def as_lists(self, names: tuple[str, ...]) -> dict[str, list[Any]]:
        """The figures of these names, a list each, and `times` in Unix seconds; rounded to 0.1."""
        lists: dict[str, list[Any]] = {"times": [round(at, 1) for at, _ in self._rows]}
        for name in names:
            lists[name] = [_rounded(getattr(row, name)) for _, row in self._rows]
        return lists


def _rounded(value: Any) -> Any:
    return round(value, 1) if isinstance(value, float) else value
