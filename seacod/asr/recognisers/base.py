"""What a recogniser is to the service: a loaded model of one class, with what it needs besides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from seacod.asr.audio import Samples
from seacod.asr.piece import Piece
from seacod.models.registry import ModelSet
from seacod.transcript import Token, mean_confidence


@dataclass(frozen=True, slots=True)
class Recognised:
    """What the model heard in one span. Token times are seconds from the span's start."""

    text: str
    tokens: tuple[Token, ...]
    was_retried: bool = False

    @property
    def confidence(self) -> float | None:
        """Mean posterior of the tokens; None without any."""
        return mean_confidence(self.tokens)


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a hotword stands in a text of the model's, in small letters and without blanks; `missing`
    are the characters that it cannot write, and then it cannot hear the word."""

    forms: tuple[str, ...]
    missing: str = ""


class Voice(Protocol):
    """Finds the speech of one recording, given block by block."""

    @property
    def speech(self) -> int:
        """Speech found so far, in samples."""
        ...

    def feed(self, samples: Samples) -> list[Piece]:
        """The next block; the pieces that are finished."""
        ...

    def end(self) -> list[Piece]:
        """The recording is over; what is left."""
        ...


class Recogniser(Protocol):
    """A loaded model. Call everything from one thread.

    It is read into host memory first, by a nursery: without touching a GPU, and without starting a
    thread, since workers are forked from it then. There it recognises a first recording, on the
    thread that calls. `place` puts it where it is to work.

    Args:
        models: which models to load, all of them on this machine already.
        cpu_threads: threads of the model on the CPU; 0 for all cores but one.

    Raises:
        ModelUnavailable: a model does not load.
    """

    kind: ClassVar[str]
    """Its name in /health, checks and benches."""
    classes: ClassVar[frozenset[str]]
    """What `model:` in a directory's config.yaml says where it is one for this recogniser."""
    language: ClassVar[str]
    """The language of its texts, ISO 639-1."""
    reads_hotwords: ClassVar[bool] = True
    """Whether `recognise` does anything with hotwords; whoever gives some to one that does not is
    told so in every output."""
    name: str
    """asr.model."""
    device: str
    """Where it is now, as PyTorch calls it."""
    precision: str
    """What it computes with, as asr.precision says it."""
    vocabulary: frozenset[str] | None
    """The characters and words it can write; None if unknown."""
    voice: Callable[[float, bool], Voice] | None
    """What finds speech instead of silero-vad, for pieces of so many seconds at most, and whether
    the recording is no longer than one. Not thread-safe: the service has one thread for it."""

    def __init__(self, models: ModelSet, cpu_threads: int) -> None: ...

    def place(self, device: str, precision: str = "auto") -> None:
        """Put the model on its device, and give it its threads; again is nothing.

        Args:
            device: asr.device.
            precision: asr.precision.

        Raises:
            ModelUnavailable: the device is not there, or has no room for the model.
            ConfigError: it cannot compute so on this device.
        """
        ...

    def recognise(
        self, pieces: Sequence[Samples], hotwords: Sequence[Sequence[str]] | None = None
    ) -> list[Recognised]:
        """The text of each piece, in the order given.

        Args:
            pieces: float32 at 16 kHz, each at least a tenth of a second.
            hotwords: for each piece its cleaned words (`hotwords.py`), or None where none has any.

        Raises:
            OutOfMemory: they do not fit into the memory of the device together.
            InferenceFailed: the model raised something else.
        """
        ...

    def spell(self, word: str) -> Spelling:
        """How it would write a hotword. Any thread may ask."""
        missing = [c for c in word.lower() if self.vocabulary and c not in self.vocabulary]
        return Spelling((word.lower(),), "".join(dict.fromkeys(missing)))

    @property
    def has_punctuation(self) -> bool:
        """Whether `punctuate` does anything."""
        ...

    @property
    def sentence_gap(self) -> str:
        """What stands between two sentences."""
        ...

    def punctuate(self, text: str) -> str:
        """The text with punctuation, if there is a model for it. The one thing that another thread
        than the owner of the model may call (one at a time)."""
        ...

    @property
    def hardware(self) -> str:
        """What the model runs on, in words that differ where its speed does."""
        ...

    def reserved_bytes(self) -> int:
        """What is held on the GPU, caches included; 0 on the CPU. Any thread may ask."""
        ...

    def release_cache(self) -> None:
        """Give cached device memory back."""
        ...
