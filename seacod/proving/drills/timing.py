"""One drill under load: what it measures, and what it comes to."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from seacod.proving.target import LocalService, wait_for
from seacod.system.text.words import NOTHING, Words


@dataclass(frozen=True, slots=True)
class Result:
    """What a fault cost.

    Args:
        drill: its name.
        detected_seconds: from the fault until the service knew.
        serving_seconds: from the fault until a request that began after it was detected had its
            text; None when the service was never away.
        requests: sent in all.
        lost: requests that got no answer, or a wrong one. Those inside a process that dies are; a
            client that sends again gets its text.
        turned_away: told to come back (503 with Retry-After).
        remark, remark_zh: what else was seen, in both languages.
    """

    drill: str
    detected_seconds: float
    serving_seconds: float | None
    requests: int
    lost: int
    turned_away: int
    remark: str
    remark_zh: str


class Timing:
    """A context manager: clients post meanwhile, answers come before the fault is let in."""

    def __init__(self, drill: str, target: LocalService) -> None:
        self.target = target
        self.load = target.load()
        self._drill = drill
        self._injected_at = 0.0
        self._detected_at = 0.0
        self._serving_seconds: float | None = None
        self.lost = 0
        self.remark: Words = NOTHING

    def __enter__(self) -> Timing:
        self.load.__enter__()
        try:
            wait_for(lambda: self.load.seen["200"] >= 2, "an answer before the fault")
        except BaseException:
            self.load.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.load.__exit__(kind, error, _)

    def inject(self, fault: Callable[[], object]) -> None:
        """Inject the fault now."""
        self._injected_at = time.time()
        fault()

    def detected(self, condition: Callable[[], Any], what: str) -> None:
        """Wait until the service knows."""
        wait_for(condition, what)
        self._detected_at = time.time()

    def serves_again(self, *, since: float | None = None) -> None:
        """Wait until a request that began afterwards has its text.

        Args:
            since: when the obstacle was taken away (time.time()); else the fault is what is timed.
        """
        begun = since or self._detected_at
        answer = wait_for(lambda: self.load.first_answer_after(begun), "an answer after the fault")
        assert answer is not None
        self._serving_seconds = answer.ended - (since or self._injected_at)

    def result(self) -> Result:
        """What the fault cost; called when the clients have stopped."""
        seen = self.load.seen
        fine = ("200", "503", "507")
        return Result(
            drill=self._drill,
            detected_seconds=self._detected_at - self._injected_at,
            serving_seconds=self._serving_seconds,
            requests=sum(seen.values()),
            lost=self.lost + sum(count for what, count in seen.items() if what not in fine),
            turned_away=seen["503"],
            remark=self.remark[0],
            remark_zh=self.remark[1],
        )
