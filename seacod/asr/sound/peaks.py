"""How loud a recording is, ten times a second: from that a page draws its wave without decoding.

Filled in the decoder as the sound goes by; 36 kB an hour. Knows nothing of lanes: where voices
speak at once, the loudest counts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seacod.asr.sound.timeline import SAMPLE_RATE

PER_SECOND = 10
_STEP = SAMPLE_RATE // PER_SECOND


class Peaks:
    """The loudest sample of each tenth of a second, 0 to 255."""

    def __init__(self) -> None:
        self._values = np.zeros(0, np.uint8)

    def add(self, start: int, samples: npt.NDArray[np.float32]) -> None:
        """Hear more.

        Args:
            start: where it begins in the recording, in samples.
            samples: -1 to 1; louder ones count as 1.
        """
        if not len(samples):
            return
        first, offset = divmod(start, _STEP)
        steps = -(-(offset + len(samples)) // _STEP)
        whole = np.zeros(steps * _STEP, np.float32)
        whole[offset : offset + len(samples)] = np.abs(samples)
        loudest = np.nan_to_num(whole.reshape(steps, _STEP).max(axis=1), nan=0.0)
        values = (255 * np.clip(loudest, 0.0, 1.0)).astype(np.uint8)
        if first + steps > len(self._values):
            # Twice as much as is needed: a long recording is not copied for each of its blocks.
            grown = np.zeros(2 * (first + steps), np.uint8)
            grown[: len(self._values)] = self._values
            self._values = grown
        place = self._values[first : first + steps]
        np.maximum(place, values, out=place)

    def told(self, samples: int) -> bytes:
        """A byte for each tenth of a second of a recording that has so many samples."""
        return self._values[: -(-samples // _STEP)].tobytes()
