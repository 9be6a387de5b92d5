"""What a speaker encoder is to the service: a small network from a stretch of speech to a vector
that is alike for the same voice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from seacod.asr.audio import Samples

Embeddings = npt.NDArray[np.float32]


class SpeakerEncoder(Protocol):
    """A loaded encoder. Call it from one thread."""

    name: str
    """As `asr.speaker_model` and /health say it."""
    window_seconds: float
    """How much speech one embedding is of."""
    hop_seconds: float
    """How far the next one begins behind it."""
    likeness: float
    """Two groups of embeddings whose mean cosine is lower are two people. Measured by
    tools/measure_speakers.py."""

    def embed(self, windows: Sequence[Samples]) -> Embeddings:
        """One vector of length 1 for each window.

        Args:
            windows: float32 at 16 kHz, each of `window_seconds`.
        """
        ...
