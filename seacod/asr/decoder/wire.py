"""What crosses the pipe between the worker and a decoding process.

To the child: one JSON object a message, with the open recording as a descriptor. From the child:
frames of a fixed head (kind, length, position) and a body, which is JSON or samples.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from typing import Any, Literal

from seacod.asr.sound.channels import ChannelMode

Kind = Literal["ready", "info", "piece", "block", "at", "done", "error"]
_KINDS: tuple[Kind, ...] = ("ready", "info", "piece", "block", "at", "done", "error")
# kind, lane, bytes of the body, a position in samples, a probability
HEAD = struct.Struct("<BBIqf")
_UNKNOWN = -1.0
MAX_TASK_BYTES = 4096


@dataclass(frozen=True, slots=True)
class DecodeTask:
    """What to do with a recording.

    `inspect` reads its header only; `pieces` cuts it into speech; `samples` gives all of its sound
    in blocks, for a voice activity model of FunASR's. `is_clip`: see `Cutter`. `track` is which
    audio track, from 1, "all" or None for the one a player would take.
    """

    want: Literal["inspect", "pieces", "samples"]
    max_seconds: float
    max_bytes: int
    max_piece_seconds: float
    is_clip: bool = False
    track: int | Literal["all"] | None = None
    channels: ChannelMode = "auto"

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, message: bytes) -> DecodeTask:
        return cls(**json.loads(message))


@dataclass(frozen=True, slots=True)
class Head:
    """What is in front of each message from the child; `lane` is of `sound/channels.py`,
    `speech_probability` of a piece."""

    kind: Kind
    length: int
    position: int = 0
    lane: int = 0
    speech_probability: float | None = None

    def encode(self) -> bytes:
        probability = _UNKNOWN if self.speech_probability is None else self.speech_probability
        kind = _KINDS.index(self.kind)
        return HEAD.pack(kind, self.lane, self.length, self.position, probability)

    @classmethod
    def decode(cls, data: bytes) -> Head:
        kind, lane, length, position, probability = HEAD.unpack(data)
        known = probability if 0 <= probability <= 1 else None
        return cls(_KINDS[kind], length, position, lane, known)


def frame(kind: Kind, body: dict[str, Any] | None = None, position: int = 0) -> bytes:
    """Encode a whole frame with a JSON body."""
    encoded = json.dumps(body).encode() if body is not None else b""
    return Head(kind, len(encoded), position).encode() + encoded
