"""What crosses the pipe between the worker and a decoding process.

To the child: one JSON object a message, with the open recording as a descriptor. From the child:
frames of a fixed head (kind, length, position) and a body, which is JSON or samples.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["ready", "info", "piece", "block", "at", "done", "error"]
_KINDS: tuple[Kind, ...] = ("ready", "info", "piece", "block", "at", "done", "error")
# kind, bytes of the body, a position in samples
HEAD = struct.Struct("<BIq")
MAX_TASK_BYTES = 4096


@dataclass(frozen=True, slots=True)
class DecodeTask:
    """What to do with a recording.

    `inspect` reads its header only; `pieces` cuts it into speech; `samples` gives all of its sound
    in blocks, for a voice activity model of FunASR's. `is_clip`: see `Cutter`.
    """

    want: Literal["inspect", "pieces", "samples"]
    max_seconds: float
    max_bytes: int
    max_piece_seconds: float
    is_clip: bool = False

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, message: bytes) -> DecodeTask:
        return cls(**json.loads(message))


def head(kind: Kind, length: int, position: int = 0) -> bytes:
    return HEAD.pack(_KINDS.index(kind), length, position)


def read_head(data: bytes) -> tuple[Kind, int, int]:
    kind, length, position = HEAD.unpack(data)
    return _KINDS[kind], length, position


def frame(kind: Kind, body: dict[str, Any] | None = None, position: int = 0) -> bytes:
    """Encode a whole frame with a JSON body."""
    encoded = json.dumps(body).encode() if body is not None else b""
    return head(kind, len(encoded), position) + encoded
