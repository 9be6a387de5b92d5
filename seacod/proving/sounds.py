"""Recordings for a bench: shipped speech, put together to a length, each a little different."""

from __future__ import annotations

import json
import struct
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seacod.asr.audio import Samples

DIRECTORY = Path(str(resources.files("seacod").joinpath("models/builtin/examples")))
_PAUSE_SECONDS = 0.4


def speech(seconds: float) -> Samples:
    """Shipped sentences one after the other, as often as it takes."""
    import numpy as np

    from seacod.asr.audio import SAMPLE_RATE

    pause = np.zeros(int(_PAUSE_SECONDS * SAMPLE_RATE), dtype=np.float32)
    parts = [part for sentence in sentences() for part in (sentence, pause)]
    return np.resize(np.concatenate(parts), int(seconds * SAMPLE_RATE))


def sentences() -> list[Samples]:
    """Those that are shipped."""
    from seacod.asr import audio

    return [audio.decode(DIRECTORY / example["file"], max_seconds=600) for example in examples()]


def examples() -> list[dict[str, Any]]:
    """What is shipped: `file`, `text`, `hotwords`, `text_with_hotwords`, `seconds`."""
    listing: list[dict[str, Any]] = json.loads((DIRECTORY / "examples.json").read_text("utf-8"))
    return listing


def wav(samples: Samples, number: int = 0) -> bytes:
    """16 bits, mono; `number` makes its content its own, so that no cache knows it."""
    from seacod.asr.audio import SAMPLE_RATE

    data = bytearray((samples * 32767).astype("<i2").tobytes())
    data[-8:] = struct.pack("<q", number)
    form = struct.pack("<HHIIHH", 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)
    return (
        b"RIFF" + struct.pack("<I", len(data) + 36) + b"WAVEfmt "
        + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + bytes(data)
    )  # fmt: skip
