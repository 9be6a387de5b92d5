"""A stretch of speech on its way from the cutter to the model."""

from __future__ import annotations

from dataclasses import dataclass

from seacod.asr.audio import Samples


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of speech: where it begins in the recording, in samples, its sound, in which of
    its lanes (`sound/channels.py`) it lies, and the mean probability of the speech in it.
    """

    start: int
    samples: Samples
    lane: int = 0
    speech_probability: float | None = None

    @property
    def end(self) -> int:
        return self.start + len(self.samples)
