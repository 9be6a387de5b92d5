"""A clock to turn, and an event loop that does not wait: it jumps to the next thing that is due."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from pathlib import Path

from seacod.system.clock_jumps import ClockJumps


class Clock:
    """Both clocks of the machine; the wall clock may be set."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.wall = 1_700_000_000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.wall + self.now


class Machine:
    """A clock that can be set, on a machine that can be off for a while."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.wall, self.steady, self.starts = 1_800_000_000.0, 50_000.0, 1

    def process(self) -> ClockJumps:
        clock = ClockJumps(
            self.path / "clock.json", lambda: self.wall, lambda: self.steady,
            lambda: f"start {self.starts}",
        )  # fmt: skip
        clock.look()
        return clock

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds

    def is_off(self, seconds: float) -> None:
        self.wall += seconds
        self.steady = 5.0
        self.starts += 1


class JumpingSelector(selectors.SelectSelector):
    """Does not wait: the clock jumps instead."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.each_turn: Callable[[], None] = lambda: None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.each_turn()
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "nothing will ever happen"
            self._clock.now += max(0.0, timeout)
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: Clock) -> None:
        self.selector = JumpingSelector(clock)
        self._simulated = clock
        super().__init__(self.selector)

    def time(self) -> float:
        return self._simulated.now
