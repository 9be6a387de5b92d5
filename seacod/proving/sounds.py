"""Recordings for proofs: shipped speech, put together to a length, each a little different."""

from __future__ import annotations

import io
import struct
import time
import wave
from collections.abc import Iterator
from typing import TYPE_CHECKING

from seacod.models.examples import EXAMPLES, examples

if TYPE_CHECKING:
    from seacod.asr.audio import Samples

_PAUSE_SECONDS = 0.4


def speech(seconds: float) -> Samples:
    """Shipped sentences one after the other, as often as it takes."""
    import numpy as np

    from seacod.asr.audio import SAMPLE_RATE

    pause = np.zeros(int(_PAUSE_SECONDS * SAMPLE_RATE), dtype=np.float32)
    parts = [part for sentence in sentences() for part in (sentence, pause)]
    return np.resize(np.concatenate(parts), int(seconds * SAMPLE_RATE))


def spoken(samples: Samples) -> Iterator[tuple[float, bytes]]:
    """Sound as a microphone gives it: seconds from the beginning, and a tenth of a second of 16-bit
    samples, which is there when its last sample was spoken."""
    from seacod.asr.audio import SAMPLE_RATE

    block, sound = SAMPLE_RATE // 10, (samples * 32767).astype("<i2")
    for at in range(0, len(sound), block):
        part = sound[at : at + block]
        yield (at + len(part)) / SAMPLE_RATE, part.tobytes()


def sentences() -> list[Samples]:
    """The sentences that are shipped, as samples."""
    from seacod.asr import audio

    return [audio.decode(EXAMPLES / example["file"], max_seconds=600) for example in examples()]


def fresh_sentence() -> bytes:
    """The first of them as a WAV file that nobody has sent before."""
    return wav(sentences()[0], time.time_ns())


def wav(samples: Samples, number: int = 0) -> bytes:
    """16 bits, mono; `number` makes its content its own, so that no cache knows it."""
    from seacod.asr.audio import SAMPLE_RATE

    data = bytearray((samples * 32767).astype("<i2").tobytes())
    data[-8:] = struct.pack("<q", number)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        out.writeframes(data)
    return file.getvalue()
