"""Notices that the wall clock was set. Who deletes by age asks first: by a clock that is days ahead
for a moment, everything is old."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

_JUMP_SECONDS = 60.0
# A clock that was set may be set back: a time server that is reached late, a mistake that is seen.
_HOLD_SECONDS = 3600.0


class ClockJumps:
    """
    Args:
        wall: Unix seconds.
        steady: seconds that nobody can set.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._steady = steady
        self._difference = wall() - steady()
        self._held_until: float | None = None

    def was_set(self) -> bool:
        """Whether the clock was set within the last hour; to be asked every now and then."""
        now = self._steady()
        difference = self._wall() - now
        jump, self._difference = difference - self._difference, difference
        if abs(jump) > _JUMP_SECONDS:
            log.warning("clock_was_set", by_seconds=round(jump), nothing_expires_for=_HOLD_SECONDS)
            self._held_until = now + _HOLD_SECONDS
        return self._held_until is not None and now < self._held_until
