"""When a worker that ended is started again: pure arithmetic, no clock, no process.

Exponential back-off with full jitter in the upper half (the pause is between half of the step and
the whole step), so that several services on one GPU do not come back in step; see "Exponential
Backoff And Jitter", AWS Architecture Blog, 2015. Many failures in a short time are a *crash loop*:
the tries go on, slowly, and everybody is told.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from seacod.config.supervisor import SupervisorSettings


@dataclass(frozen=True, slots=True)
class Pause:
    """How long to wait, and whether this is a crash loop."""

    seconds: float
    is_crash_loop: bool = False


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How pauses grow.

    Args:
        initial_seconds: the first step.
        max_seconds: no step is longer.
        stable_seconds: a worker that was ready for this long starts everything anew.
        crash_loop_failures: so many failures in a row ...
        crash_loop_window_seconds: ... within this time are a crash loop.
        crash_loop_pause_seconds: the step in a crash loop.
    """

    initial_seconds: float
    max_seconds: float
    stable_seconds: float
    crash_loop_failures: int
    crash_loop_window_seconds: float
    crash_loop_pause_seconds: float

    @classmethod
    def of(cls, settings: SupervisorSettings) -> RestartPolicy:
        return cls(
            settings.backoff_initial_seconds,
            settings.backoff_max_seconds,
            settings.stable_seconds,
            settings.crash_loop_failures,
            settings.crash_loop_window_seconds,
            settings.crash_loop_pause_seconds,
        )

    def remembered(
        self, failures: tuple[float, ...], now: float, ready_for_seconds: float | None
    ) -> tuple[float, ...]:
        """The times of the failures that still count, the newest included.

        Args:
            failures: the times remembered before, oldest first.
            now: when the worker ended just now.
            ready_for_seconds: how long it had been ready; None if it never was.
        """
        was_stable = ready_for_seconds is not None and ready_for_seconds >= self.stable_seconds
        if was_stable:
            return (now,)
        return (*failures, now)[-max(64, self.crash_loop_failures) :]

    def pause(self, failures: tuple[float, ...], random_: random.Random) -> Pause:
        """The pause before the next start, after these failures in a row."""
        if not failures:
            return Pause(0.0)
        jitter = random_.uniform(0.5, 1.0)
        if self.is_crash_loop(failures):
            return Pause(self.crash_loop_pause_seconds * jitter, is_crash_loop=True)
        # 2**63 is longer than any limit; larger exponents only overflow.
        step = min(self.max_seconds, self.initial_seconds * 2.0 ** min(len(failures) - 1, 63))
        return Pause(step * jitter)

    def is_crash_loop(self, failures: tuple[float, ...]) -> bool:
        """Whether the last failures came too fast; once in, only a stable worker leads out."""
        count = self.crash_loop_failures
        return any(
            failures[start + count - 1] - failures[start] <= self.crash_loop_window_seconds
            for start in range(len(failures) - count + 1)
        )
