"""Proof that the supervisor's own tasks run: each gives a heartbeat, the watchdog looks.

systemd's watchdog is fed only while every heartbeat is young enough, so a task that died or hangs
gets the whole supervisor restarted rather than leaving it half alive.
"""

from __future__ import annotations

from collections.abc import Callable


class TaskHeartbeats:
    """When each task was last seen, by name."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last: dict[str, float] = {}
        self._limit_seconds: dict[str, float] = {}

    def expect(self, name: str, every_seconds: float) -> None:
        """From now on `name` must touch at least this often, with three times that as slack."""
        self._limit_seconds[name] = every_seconds * 3
        self.touch(name)

    def touch(self, name: str) -> None:
        """`name` has just gone round."""
        self._last[name] = self._clock()

    def forget(self, name: str) -> None:
        """`name` has ended as it should."""
        self._limit_seconds.pop(name, None)

    def late(self) -> dict[str, float]:
        """The tasks that are overdue, with the seconds since each was seen."""
        now = self._clock()
        return {
            name: now - self._last[name]
            for name, limit in self._limit_seconds.items()
            if now - self._last[name] > limit
        }
