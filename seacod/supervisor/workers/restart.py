"""When a worker that ended is started again: pure arithmetic, no clock, no process.

Two sorts of ends. A start that never served says that the next one will not either: exponential
back-off with full jitter in the upper half (the pause is between half of the step and the whole
step), so that several services on one GPU do not come back in step; see "Exponential Backoff And
Jitter", AWS Architecture Blog, 2015. Many of them in a row are a *crash loop*: the tries go on,
slowly, and everybody is told. A worker that served and then died is replaced at once: whoever sends
what kills workers could put the service away for everybody otherwise. Only many of these within a
minute, a *storm*, bring pauses, of seconds.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from seacod.config.supervisor import SupervisorSettings

# So many workers that had served are replaced within a minute without any pause ...
AT_ONCE = 10
AT_ONCE_WINDOW_SECONDS = 60.0
# ... and those after them with one of at most this.
STORM_PAUSE_SECONDS = 5.0
_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class RestartPause:
    """How long to wait, and whether this is a crash loop."""

    seconds: float
    is_crash_loop: bool = False


@dataclass(frozen=True, slots=True)
class Failures:
    """The ends that still count, by when they were, the newest last.

    Args:
        never_served: starts in a row that never served.
        had_served: workers that served, and not for long enough to count as stable.
    """

    never_served: tuple[float, ...] = ()
    had_served: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How pauses grow.

    Args:
        settings: the steps, and what counts as a crash loop.
    """

    settings: SupervisorSettings

    def after(self, before: Failures, now: float, ready_for_seconds: float | None) -> Failures:
        """The ends that still count, the newest included.

        Args:
            before: those remembered.
            now: when the worker ended just now.
            ready_for_seconds: how long it had been ready; None if it never was.
        """
        kept = max(_REMEMBERED, self.settings.crash_loop_failures)
        if ready_for_seconds is None:
            return Failures((*before.never_served, now)[-kept:], before.had_served)
        if ready_for_seconds >= self.settings.stable_seconds:
            return Failures((), (now,))
        return Failures((), (*before.had_served, now)[-kept:])

    def pause(self, failures: Failures, random_: random.Random) -> RestartPause:
        """The pause before the next start, after these ends."""
        jitter = random_.uniform(0.5, 1.0)
        if failures.never_served:
            if self._is_often(failures.never_served):
                return RestartPause(
                    self.settings.crash_loop_pause_seconds * jitter, is_crash_loop=True
                )
            return RestartPause(
                self._step(len(failures.never_served), self.settings.backoff_max_seconds) * jitter
            )
        ends = failures.had_served
        last_minute = sum(at > ends[-1] - AT_ONCE_WINDOW_SECONDS for at in ends)
        if last_minute <= AT_ONCE:
            return RestartPause(0.0)
        return RestartPause(self._step(last_minute - AT_ONCE, STORM_PAUSE_SECONDS) * jitter)

    def is_storm(self, failures: Failures) -> bool:
        """Whether workers that served end one after the other."""
        return self._is_often(failures.had_served)

    def _step(self, count: int, longest_seconds: float) -> float:
        # 2**63 is longer than any limit; larger exponents only overflow.
        step = self.settings.backoff_initial_seconds * 2.0 ** min(count - 1, 63)
        return min(longest_seconds, self.settings.backoff_max_seconds, step)

    def _is_often(self, ends: tuple[float, ...]) -> bool:
        """Whether they came too fast; once so, only what clears them leads out."""
        count = self.settings.crash_loop_failures
        return any(
            ends[start + count - 1] - ends[start] <= self.settings.crash_loop_window_seconds
            for start in range(len(ends) - count + 1)
        )
