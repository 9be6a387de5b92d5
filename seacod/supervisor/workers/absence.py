"""Time without a worker that serves, after a first one has served."""

from __future__ import annotations

from seacod.supervisor.clock import Clock


class Absence:
    """Measures how long nobody served: the last time, and in all."""

    def __init__(self, clock: Clock) -> None:
        self.last_seconds: float | None = None
        self._ended_seconds = 0.0
        self._clock = clock
        self._since: float | None = None

    @property
    def total_seconds(self) -> float:
        """Seconds of all times without a worker, the present one as far as it has come."""
        since = self._since
        return self._ended_seconds + (0.0 if since is None else self._clock.monotonic() - since)

    def begin(self, since: float | None = None) -> None:
        """Nobody serves from now on; nothing changes if that was so before.

        Args:
            since: on the monotonic clock, when the last one who served was seen to be well: a hung
                worker served nobody before it was given up. Now, by default.
        """
        if self._since is None:
            self._since = self._clock.monotonic() if since is None else since

    def end(self) -> float | None:
        """A worker serves: the seconds without one; None when somebody served all the time."""
        if self._since is None:
            return None
        away, self._since = self._clock.monotonic() - self._since, None
        self.last_seconds = away
        self._ended_seconds += away
        return away
