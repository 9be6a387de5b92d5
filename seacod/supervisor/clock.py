"""The clock of everything that waits; in simulated time a stand-in."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """The module `time`, or a stand-in. Waiting is the event loop's, whose time must agree."""

    def monotonic(self) -> float:
        """Seconds that never jump."""

    def time(self) -> float:
        """Unix seconds, which jump when the machine's clock is set."""


# Less is the time between two questions to the clock.
_JUMP_SECONDS = 2.0


class Moment:
    """When something began. Where the machine's clock was put right since, it tells the time that
    the right clock would have shown.

    Args:
        clock: by which it is now.
    """

    def __init__(self, clock: Clock = time) -> None:
        self._clock = clock
        self._unix, self._monotonic = clock.time(), clock.monotonic()

    @property
    def age_seconds(self) -> float:
        """How long ago."""
        return self._clock.monotonic() - self._monotonic

    @property
    def unix_seconds(self) -> float:
        """The same value each time, as long as nobody sets the clock."""
        as_of_now = self._clock.time() - self.age_seconds
        return self._unix if abs(as_of_now - self._unix) < _JUMP_SECONDS else as_of_now
