"""A stop that is announced: for a while the service says at /health/ready that it will go, and
goes on serving, so that a load balancer sends nothing more before anything is refused. Arithmetic
only."""

from __future__ import annotations

from seacod.supervisor.workers.host import Clock


class AnnouncedStop:
    """At most one announced stop at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._cause: str | None = None
        self._ends_at = 0.0

    @property
    def is_given(self) -> bool:
        """Whether the stop is under way."""
        return self._cause is not None

    def give(self, cause: str, seconds: float) -> bool:
        """Announce a stop; returns False where there is no time for that, or it was done before.

        Args:
            cause: of the stop.
            seconds: until it begins.
        """
        if seconds <= 0 or self.is_given:
            return False
        self._cause = cause
        self._ends_at = self._clock.monotonic() + seconds
        return True

    def seconds_left(self) -> float | None:
        """Seconds until the stop begins; None when none was announced."""
        return max(0.0, self._ends_at - self._clock.monotonic()) if self.is_given else None

    def take(self) -> str | None:
        """The cause of the stop that is to begin now, once; None when there is none."""
        cause, self._cause = self._cause, None
        return cause
