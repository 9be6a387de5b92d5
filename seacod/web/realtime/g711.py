"""Telephone sound (G.711, 8 kHz) as 16-bit samples: two tables. Called by `conversation.py`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RATE = 8000


def _mu_law() -> npt.NDArray[np.int16]:
    """ITU-T G.711, table 2: inverted bits, a bias of 33 in 14 bits."""
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    size = (((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)
    return np.where(code & 0x80, 0x84 - size, size - 0x84).astype(np.int16)


def _a_law() -> npt.NDArray[np.int16]:
    """ITU-T G.711, table 1: every other bit inverted."""
    code = np.arange(256, dtype=np.int32) ^ 0x55
    step, mantissa = (code & 0x70) >> 4, (code & 0x0F) << 4
    size = np.where(step == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(step - 1, 0))
    return np.where(code & 0x80, size, -size).astype(np.int16)


_TABLES = {"audio/pcmu": _mu_law(), "audio/pcma": _a_law()}


def samples(kind: str, sound: bytes) -> bytes:
    """16-bit signed samples, little-endian.

    Args:
        kind: "audio/pcmu" or "audio/pcma".
        sound: a byte a sample.
    """
    return _TABLES[kind][np.frombuffer(sound, np.uint8)].astype("<i2").tobytes()
