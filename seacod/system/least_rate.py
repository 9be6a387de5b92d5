"""Whether somebody who has a place still brings something for it: a few bytes now and then would
hold it for ever. Arithmetic only, on a clock. Used where sound comes over WebSockets.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator


class LeastRate:
    """Looked at window by window.

    Args:
        a_second: how much is to come in a second at least, in whatever is counted.
        window_seconds: seen over so long.
        clock: seconds, monotonic.
    """

    def __init__(
        self, a_second: float, window_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.least = a_second * window_seconds
        self.window_seconds = window_seconds
        self._clock = clock
        self._since = clock()
        self._taking = 0
        self.came = 0.0

    @contextlib.contextmanager
    def taking(self, amount: float) -> Iterator[None]:
        """So much comes, and is taken within the block; how long that takes is our own affair."""
        began = self._clock()
        self._taking += 1
        self.came += amount
        try:
            yield
        finally:
            self._taking -= 1
            self._since += self._clock() - began

    @property
    def left_seconds(self) -> float:
        """When to look again."""
        if self._taking:
            return self.window_seconds
        return max(0.0, self._since + self.window_seconds - self._clock())

    def is_behind(self) -> bool:
        """Whether a window has ended in which too little came; one with enough begins the next."""
        if self._taking or self.left_seconds > 0:
            return False
        if self.came < self.least:
            return True
        self._since, self.came = self._clock(), 0.0
        return False
