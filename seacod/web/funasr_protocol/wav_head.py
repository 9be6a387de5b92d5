"""The head of a WAV file in front of what a microphone sends: clients that cut a file into messages
leave it there, and FunASR's server takes it for a moment of noise. Pure; called by `connection.py`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from seacod.errors import BadRequest

_FORMAT = struct.Struct("<HHIIHH")
_PCM, _EXTENSIBLE = 1, 0xFFFE


@dataclass(frozen=True, slots=True)
class WavHead:
    """How many bytes it has, and the samples a second of what follows."""

    size: int
    rate: int


def read(sound: bytes) -> WavHead | None:
    """The head in front of the first sound; None where there is none, or not all of it.

    Raises:
        BadRequest: what follows is not one channel of 16-bit samples.
    """
    if sound[:4] != b"RIFF" or sound[8:12] != b"WAVE":
        return None
    at, rate = 12, 0
    while at + 8 <= len(sound):
        name, size = sound[at : at + 4], int.from_bytes(sound[at + 4 : at + 8], "little")
        if name == b"data":
            return WavHead(at + 8, rate) if rate else None
        if name == b"fmt " and at + 8 + _FORMAT.size <= len(sound):
            kind, channels, rate, _, _, bits = _FORMAT.unpack_from(sound, at + 8)
            if kind not in (_PCM, _EXTENSIBLE) or channels != 1 or bits != 16:
                raise BadRequest(
                    f"this is a WAV file of {channels} channels and {bits} bits; the modes online "
                    "and 2pass take one channel of 16-bit samples, mode offline any recording",
                    f"收到的是 {channels} 声道、{bits} 位的 WAV 文件；online 与 2pass 模式只接受"
                    "单声道 16 位采样，offline 模式可接受任意格式的录音",
                )
        # Chunks begin at even places.
        at += 8 + size + size % 2
    return None
