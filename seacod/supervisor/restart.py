"""When a worker that ended is started again: pure arithmetic, no clock, no process.

Exponential back-off with full jitter in the upper half (the pause is between half of the step
and the whole step), so that several services on one GPU do not come back in step. See
"Exponential Backoff And Jitter",
AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BackOff:
    """How pauses grow.

    Args:
        initial_seconds: the first step.
        max_seconds: no step is longer.
        stable_seconds: a worker that was ready for this long starts the steps anew.
    """

    initial_seconds: float
    max_seconds: float
    stable_seconds: float

    def failures_after(self, failures: int, ready_for_seconds: float | None) -> int:
        """The count of failures in a row after one more end.

        Args:
            failures: the count before.
            ready_for_seconds: how long this worker had been ready; None if it never was.
        """
        was_stable = ready_for_seconds is not None and ready_for_seconds >= self.stable_seconds
        return 1 if was_stable else failures + 1

    def pause_seconds(self, failures: int, random_: random.Random) -> float:
        """The pause before the start that follows the n-th failure in a row (n from 1)."""
        if failures < 1:
            return 0.0
        # 2**63 is longer than any limit; larger exponents only overflow.
        step = min(self.max_seconds, self.initial_seconds * 2.0 ** min(failures - 1, 63))
        return step * random_.uniform(0.5, 1.0)
