"""One request on its way to a text: who asks for what, how far it is, what it has cost.

Made where requests come in (`recordings.py`, `live/`). Admission, pipeline and scheduler each write
their part and read the rest. It stays in this process: decoders are told what to do by
`decoder/wire.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from seacod.asr.choice import EVERYTHING, SoundChoice
from seacod.asr.hotwords import Hotwords
from seacod.asr.piece import Piece
from seacod.asr.replacements.rules import Replacements
from seacod.config.limits import LimitSettings
from seacod.transcript import Segment, TranscriptWarning


@dataclass(frozen=True, slots=True)
class RecognitionProgress:
    """How far a request is. `queue_position` counts from 1 while it waits.

    `share` is how much of the recording was recognised, 0 to 1; None when its length is unknown.
    """

    stage: Literal["queued", "decoding", "recognising"]
    segments_done: int = 0
    segments_total: int = 0
    queue_position: int = 0
    share: float | None = None


@dataclass(frozen=True, slots=True)
class SoundFindings:
    """What the decoder noticed about a recording.

    `labels` names its lanes (channels, tracks); empty for the recording as a whole. `peaks`: how
    loud each tenth of a second is, a byte each.
    """

    warnings: tuple[TranscriptWarning, ...] = ()
    missing_seconds: float = 0.0
    labels: dict[int, str] = field(default_factory=dict)
    peaks: bytes = b""


OnProgress = Callable[[RecognitionProgress], None]
OnSegments = Callable[[list[Segment]], None]


def ignore(_: object) -> None:
    """For requests that nobody watches."""


@dataclass(slots=True, eq=False)
class RecognitionRequest:
    """Speech for the model: a recording, a microphone, or a guess at what is being said there.

    Args:
        client: who asks; clients take turns.
        hotwords: cleaned.
        is_bulk: part of a job, which comes after all others.
        wants_digits: numbers are to be written in digits, where the server does that at all.
        remarks: warnings about the request itself, for its transcript.
        replacements: the server's rules for the text.
    """

    client: str
    hotwords: Hotwords
    is_bulk: bool = False
    wants_digits: bool = True
    remarks: tuple[TranscriptWarning, ...] = ()
    replacements: Replacements = Replacements()
    # Written by the scheduler: when the model began with it (monotonic), and whether anybody
    # still waits for it.
    started_at: float | None = field(init=False, default=None)
    is_given_up: bool = field(init=False, default=False)
    # Was with the model when a worker ended: it is with it alone.
    is_suspect: bool = field(init=False, default=False)
    # Filled in on the way: lengths of sound, and time spent, in seconds.
    decoded_seconds: float = field(init=False, default=0.0)
    speech_seconds: float = field(init=False, default=0.0)
    queue_seconds: float = field(init=False, default=0.0)
    decoding_seconds: float = field(init=False, default=0.0)
    voice_seconds: float = field(init=False, default=0.0)
    inference_seconds: float = field(init=False, default=0.0)
    processing_seconds: float = field(init=False, default=0.0)
    found: SoundFindings = field(init=False, default_factory=SoundFindings)


@dataclass(slots=True, eq=False)
class RecordingRequest(RecognitionRequest):
    """A file, which waits its turn in the queue.

    Args:
        path: the recording.
        limits: those in force when it came.
        name: what the user calls it.
        choice: what of it is to be heard.
        size_bytes: of the file.
        on_progress: called on the event loop as things move.
        on_segments: called there with sentences as they are recognised, in order.
    """

    path: Path = field(kw_only=True)
    limits: LimitSettings = field(kw_only=True)
    name: str = field(kw_only=True, default="")
    choice: SoundChoice = field(kw_only=True, default=EVERYTHING)
    size_bytes: int = field(kw_only=True, default=0)
    on_progress: OnProgress = field(kw_only=True, default=ignore)
    on_segments: OnSegments = field(kw_only=True, default=ignore)
    # Written by the admission: its place by arrival, when it came (monotonic), its length (a guess
    # where the header does not say), and in padded seconds of audio what it is expected to cost
    # (guessed from its size until the header was read) and how much of that is done.
    number: int = field(init=False, default=0)
    admitted_at: float = field(init=False, default=0.0)
    audio_seconds: float = field(init=False, default=0.0)
    work_seconds: float = field(init=False, default=0.0)
    done_seconds: float = field(init=False, default=0.0)
    turn: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    # Written by the pipeline: the length in the header, if any, and pieces of speech so far.
    known_seconds: float | None = field(init=False, default=None)
    # Of the content, SHA-256 in hexadecimal digits.
    digest: str = field(init=False, default="")
    pieces_found: int = field(init=False, default=0)
    # Called by the pipeline with each piece of speech as it is given to the model.
    on_piece: Callable[[Piece], None] = field(init=False, default=ignore)

    @property
    def has_turn(self) -> bool:
        return self.turn.is_set()

    @property
    def left_seconds(self) -> float:
        """Work that is still to be done."""
        return max(0.0, self.work_seconds - self.done_seconds)

    @property
    def max_seconds(self) -> float:
        """A longer recording is refused."""
        if self.limits.long_audio == "reject":
            return self.limits.direct_audio_seconds
        return self.limits.max_audio_seconds

    @property
    def is_long(self) -> bool:
        """Whether it keeps a decoder for minutes."""
        return self.audio_seconds > self.limits.direct_audio_seconds

    @property
    def timeout_seconds(self) -> float:
        """How long it may take from the header on; longer recordings may take longer."""
        times = max(1.0, self.audio_seconds / self.limits.direct_audio_seconds)
        return self.limits.request_timeout_seconds * times

    @property
    def label(self) -> str:
        """Its name and length, for the log of a crash."""
        return f"{self.name or self.path.name:.80} ({self.audio_seconds:.1f} s)"
