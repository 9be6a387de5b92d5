"""How fast the model is, by the batches that it did, beside what was measured when nothing else
ran. Kept by `scheduler.py`; arithmetic only.
"""

from __future__ import annotations

from seacod.asr.tuning import Tuning

# Weight of a batch in the present pace: by its length in this many seconds, between two limits.
_MEMORY_SECONDS = 10.0
_LEAST_WEIGHT, _MOST_WEIGHT = 0.1, 0.3
# What one batch says is only as good as its length.
_SHORTEST_SECONDS = 0.002
# A measurement is wrong when so much work (it forgets beyond the second) took so many times more or
# less than it said. Decoding beside the model alone slows it down by less.
_ENOUGH_SECONDS, _LOOKED_BACK_SECONDS = 30.0, 300.0
_WRONG = 1.5


class Pace:
    """
    Args:
        tuning: what was measured.
    """

    def __init__(self, tuning: Tuning) -> None:
        self.tuning = tuning
        self._slowness = 1.0
        self._took = self._expected = 0.0

    def note(self, padded_seconds: float, seconds: float) -> None:
        """A batch of so many padded seconds took so long."""
        if seconds <= _SHORTEST_SECONDS:
            return
        expected = self.tuning.expected_seconds(padded_seconds)
        weight = min(_MOST_WEIGHT, max(_LEAST_WEIGHT, seconds / _MEMORY_SECONDS))
        self._slowness += weight * (seconds / expected - self._slowness)
        kept = max(0.0, 1.0 - seconds / _LOOKED_BACK_SECONDS)
        self._took = self._took * kept + seconds
        self._expected = self._expected * kept + expected

    @property
    def speed(self) -> float:
        """Padded seconds that it does in a second of work, in batches of the useful size."""
        return self.tuning.speed / self._slowness

    @property
    def is_contradicting(self) -> bool:
        """Whether what was measured is not what is seen."""
        if self._took < _ENOUGH_SECONDS:
            return False
        return not 1 / _WRONG <= self._took / self._expected <= _WRONG
