"""The clock of everything that waits; in simulated time a stand-in."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """The module `time`, or a stand-in. Waiting is the event loop's, whose time must agree."""

    def monotonic(self) -> float:
        """Seconds that never jump."""

    def time(self) -> float:
        """Unix seconds, which jump when the machine's clock is set."""
