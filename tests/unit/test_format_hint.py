"""What is no 16-bit sound is refused with what to send; what is, never, however loud or quiet."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
import sounds

from seacod.asr.live.format_hint import FormatHint
from seacod.errors import BadRequest


def speech() -> np.ndarray:
    samples, _ = soundfile.read(io.BytesIO(sounds.SPEECH.read_bytes()), dtype="float32")
    return samples


def looked_at(sound: bytes, step: int = 3200) -> None:
    hint = FormatHint()
    for at in range(0, len(sound), step):
        hint.look(sound[at : at + step])


@pytest.mark.parametrize("level", [1e-3, 0.05, 0.3, 1.0, 5.0])
@pytest.mark.parametrize("step", [320, 3200, 6400])
def test_samples_are_taken_and_floats_are_not(level: float, step: int) -> None:
    scaled = np.clip(speech() * level, -1, 1)
    looked_at((scaled * 32767).astype("<i2").tobytes(), step)
    with pytest.raises(BadRequest, match="floating-point"):
        looked_at(scaled.astype("<f4").tobytes(), step)


@pytest.mark.parametrize("kind", ["noise", "tone", "square", "silence", "offset"])
def test_odd_sound_is_taken(kind: str) -> None:
    chance = np.random.default_rng(1)
    samples = {
        "noise": chance.integers(-32768, 32767, 32_000),
        "tone": 32767 * np.sin(np.arange(32_000) * 0.1),
        "square": np.where(np.arange(32_000) // 40 % 2, 16_000, -16_000),
        "silence": np.zeros(32_000),
        "offset": np.full(32_000, 3),
    }[kind]
    looked_at(samples.astype("<i2").tobytes())


@pytest.mark.parametrize("start", [b"OggS\0\2", b"\x1a\x45\xdf\xa3\x01\0", b"RIFF\0\0\0\0WAVE",
                                   b"ID3\4", b"fLaC", b"\0\0\0\x1cftypisom"])  # fmt: skip
def test_compressed_sound_is_named(start: bytes) -> None:
    with pytest.raises(BadRequest, match="send 16-bit signed samples"):
        FormatHint().look(start + bytes(1000))
