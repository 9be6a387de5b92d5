"""Where the windows of a piece of speech lie that are given to an encoder. Arithmetic only."""

from __future__ import annotations

import numpy as np

from seacod.asr.audio import SAMPLE_RATE, Samples


def windows(samples: Samples, window_seconds: float, hop_seconds: float) -> list[tuple[int, int]]:
    """Start and end of each window, in samples of the piece.

    They cover all of it, the last one ends with it; a piece that is shorter than a window has one.
    """
    total = len(samples)
    length, hop = round(window_seconds * SAMPLE_RATE), round(hop_seconds * SAMPLE_RATE)
    if total <= length:
        return [(0, total)]
    # Evenly, so that the last one is no more like the one before it than any other.
    count = 1 + -(-(total - length) // hop)
    starts = np.linspace(0, total - length, count).round().astype(int).tolist()
    return [(start, start + length) for start in starts]


def filled(samples: Samples, window_seconds: float) -> Samples:
    """A piece shorter than a window, repeated until it is as long as one: silence would be heard as
    part of the voice."""
    length = round(window_seconds * SAMPLE_RATE)
    return np.resize(samples, length) if len(samples) < length else samples
