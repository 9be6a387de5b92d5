"""Recordings of any length, made of shipped or given speech, each a little different."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seacod.asr import audio
from seacod.asr.audio import SAMPLE_RATE, Samples
from seacod.errors import BadRequest, SeacodError
from seacod.proving import sounds

_LONGEST_SECONDS = 3600.0


class Material:
    """Speech of any length to send.

    Args:
        given: recordings to take it from; none for the shipped ones.

    Raises:
        BadRequest: one of them is no audio, and which.
    """

    def __init__(self, given: Sequence[Path]) -> None:
        self._base: Samples | None = None
        if given:
            self._base = np.concatenate([_decoded(path) for path in given])
        self._kept: dict[float, Samples] = {}
        # What no cache knows: different from run to run, too.
        self._numbers = itertools.count(time.time_ns())

    def samples(self, seconds: float) -> Samples:
        """Speech of this length, mono, 16 kHz."""
        if seconds not in self._kept:
            self._kept[seconds] = (
                sounds.speech(seconds)
                if self._base is None
                else np.resize(self._base, int(seconds * SAMPLE_RATE))
            )
        return self._kept[seconds]

    def recording(self, seconds: float) -> bytes:
        """A WAV file nobody has sent before."""
        return sounds.wav(self.samples(seconds), next(self._numbers))


def _decoded(path: Path) -> Samples:
    try:
        return audio.decode(path, max_seconds=_LONGEST_SECONDS)
    except SeacodError as error:
        raise BadRequest(f"{path}: {error.message}", f"{path}：{error.chinese}") from None
