"""What a transcription gives: the result types shared by engine, API, page and command line.

Times are seconds from the start of the file. Confidence is the mean of the decoder's own
posterior of each written token, 0 to 1; it is *uncalibrated* (see `Transcript.confidence_kind`)
and None where the engine could not read it. It is never invented.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal


@dataclass(frozen=True, slots=True)
class Token:
    """One written character or word with its time, and who says it, where that was asked for.

    `numbers`: those of what it is made of in the model's vocabulary; empty where unknown.
    """

    text: str
    start_seconds: float
    end_seconds: float
    confidence: float | None = None
    speaker: str | None = None
    numbers: tuple[int, ...] = ()


def mean_confidence(tokens: Iterable[Token]) -> float | None:
    """Mean posterior of those tokens that have one; None when none has."""
    known = [token.confidence for token in tokens if token.confidence is not None]
    return sum(known) / len(known) if known else None


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech between two pauses. `speaker` is who or where it comes from, where that
    is known: somebody told apart by voice, the name of a channel or a track. `speech_probability`:
    the mean of the voice activity in the piece of sound that it was recognised in.
    """

    start_seconds: float
    end_seconds: float
    text: str
    confidence: float | None = None
    tokens: tuple[Token, ...] = ()
    speaker: str | None = None
    speech_probability: float | None = None


def by_speaker(segments: Iterable[Segment]) -> dict[str, list[Segment]]:
    """The sentences of each speaker (or track), by names in their order; "" for nobody's."""
    found: dict[str, list[Segment]] = {}
    for segment in segments:
        found.setdefault(segment.speaker or "", []).append(segment)
    return dict(sorted(found.items()))


def turns(segments: Sequence[Segment], gap: str, *, is_by_speaker: bool = False) -> str:
    """The sentences as one text: a line for each turn, where it is known who speaks.

    Args:
        segments: in the order of the recording.
        gap: between two sentences of a turn.
        is_by_speaker: everything of one after the other, under the name of each (tracks, which
            do not talk to each other).
    """
    if is_by_speaker:
        return "\n\n".join(
            f"{name}:\n" + gap.join(one.text for one in said)
            for name, said in by_speaker(segments).items()
        )
    lines = groupby(segments, key=lambda segment: segment.speaker)
    return "\n".join(gap.join(segment.text for segment in turn) for _, turn in lines)


@dataclass(frozen=True, slots=True)
class HotwordReport:
    """What became of one hotword of the request.

    `matched`: it stands in the text. `unknown_characters`: characters the model has no token
    for, so that the word cannot be recognised. `ignored`: not given to the model, with `reason`.
    """

    word: str
    status: Literal["matched", "not_heard", "unknown_characters", "ignored"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReplacementReport:
    """What a rule of the server has changed: `heard` is written as `written`, `count` times.

    `kind` is how it was found: plain, regex, or pinyin (it sounds alike).
    """

    heard: str
    written: str
    kind: Literal["plain", "regex", "pinyin"]
    count: int


# The code of the one warning that is about the model, not about a recording.
TRIAL_MODEL = "trial_model"


@dataclass(frozen=True, slots=True)
class TranscriptWarning:
    """Something that a reader of the text ought to know: what is missing, guessed, chosen, left
    out.

    `start_seconds` and `end_seconds` say where, if it is not about the whole recording.
    """

    code: str
    message: str
    chinese: str
    start_seconds: float | None = None
    end_seconds: float | None = None

    def sentence(self, language: str) -> str:
        """The sentence in the reader's language: Chinese for `zh...`, English otherwise."""
        return self.chinese if language.lower().startswith("zh") else self.message


@dataclass(frozen=True, slots=True)
class Transcript:
    """The text of one recording and how it was made."""

    text: str
    segments: tuple[Segment, ...]
    duration_seconds: float
    processing_seconds: float
    queue_seconds: float
    confidence: float | None
    model: str
    device: str
    hotwords: tuple[HotwordReport, ...] = ()
    warnings: tuple[TranscriptWarning, ...] = ()
    confidence_kind: Literal["uncalibrated", "calibrated"] = "uncalibrated"
    language: str = field(default="zh")
    speech_seconds: float = 0.0
    decoding_seconds: float = 0.0
    voice_seconds: float = 0.0
    inference_seconds: float = 0.0
    # Sound that the file does not hold, or that could not be decoded.
    missing_seconds: float = 0.0
    # Stretches where somebody seems to speak and the model wrote nothing, even alone.
    unheard: tuple[tuple[float, float], ...] = ()
    replacements: tuple[ReplacementReport, ...] = ()
    # How loud each tenth of a second of the recording is, 0 to 255; empty where unknown.
    peaks: bytes = b""

    @property
    def speakers(self) -> dict[str, float]:
        """Who speaks, as far as that is known: seconds of each, in the order of the recording."""
        seconds: dict[str, float] = {}
        for segment in self.segments:
            if segment.speaker is not None:
                spoken = segment.end_seconds - segment.start_seconds
                seconds[segment.speaker] = seconds.get(segment.speaker, 0.0) + spoken
        return seconds

    @property
    def stages(self) -> dict[str, float]:
        """Seconds in each stage. Decoding goes on while the model works, so what is left over for
        `other` (waiting for the model, putting together) may be none."""
        known = {
            "queue": self.queue_seconds,
            "decode": self.decoding_seconds,
            "vad": self.voice_seconds,
            "inference": self.inference_seconds,
        }
        spent = self.decoding_seconds + self.voice_seconds + self.inference_seconds
        return {**known, "other": max(0.0, self.processing_seconds - spent)}

    @property
    def real_time_factor(self) -> float | None:
        """Processing time over audio length; None for a recording without length."""
        if self.duration_seconds <= 0:
            return None
        return self.processing_seconds / self.duration_seconds
