"""Recordings for the tests, made with the same library that decodes them, or byte by byte."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import soundfile

from seacod.models.registry import BUILTIN

EXAMPLES_DIRECTORY = BUILTIN / "examples"
EXAMPLES: list[dict[str, Any]] = json.loads(
    (EXAMPLES_DIRECTORY / "examples.json").read_text("utf-8")
)
# One sentence the built-in model was shipped with; its text is what warming up asks for.
SPEECH = EXAMPLES_DIRECTORY / EXAMPLES[0]["file"]
SPEECH_TEXT: str = EXAMPLES[0]["text"]

# name of the file -> container, codec, sample rate, channels
FORMATS: dict[str, tuple[str, str, int, str]] = {
    "a.wav": ("wav", "pcm_s16le", 16_000, "mono"),
    "float.wav": ("wav", "pcm_f32le", 48_000, "stereo"),
    "telephone.wav": ("wav", "pcm_mulaw", 8_000, "mono"),
    "studio.wav": ("wav", "pcm_s32le", 192_000, "stereo"),
    "surround.wav": ("wav", "pcm_s16le", 48_000, "7.1"),
    "a.flac": ("flac", "flac", 44_100, "stereo"),
    "a.mp3": ("mp3", "libmp3lame", 44_100, "mono"),
    "a.ogg": ("ogg", "vorbis", 44_100, "stereo"),
    "a.opus": ("ogg", "libopus", 48_000, "mono"),
    "a.m4a": ("ipod", "aac", 44_100, "stereo"),
    "a.webm": ("webm", "libopus", 48_000, "mono"),
    "a.amr": ("amr", "libopencore_amrnb", 8_000, "mono"),
    "a.aac": ("adts", "aac", 44_100, "mono"),
    "a.wma": ("asf", "wmav2", 44_100, "mono"),
    "a.aiff": ("aiff", "pcm_s16be", 44_100, "mono"),
}


def tone(seconds: float, rate: int = 16_000) -> npt.NDArray[np.float32]:
    """A hum at 440 Hz with some noise, so that no codec makes nothing of it."""
    t = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(7).uniform(-0.05, 0.05, len(t))
    return (0.3 * np.sin(2 * np.pi * 440 * t) + noise).astype(np.float32)


def encode(
    path: Path,
    seconds: float,
    *,
    container: str = "wav",
    codec: str = "pcm_s16le",
    rate: int = 16_000,
    layout: str = "mono",
    samples: npt.NDArray[np.float32] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """A file of the given format; a hum unless mono `samples` at 16 kHz are given."""
    source = tone(seconds) if samples is None else samples
    if codec == "vorbis":  # PyAV's wheels cannot write it
        both = np.stack([source, source], axis=1)
        soundfile.write(path, both, 16_000, format="OGG", subtype="VORBIS")
        return path
    with av.open(str(path), "w", format=container, options=options or {}) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout)
        stream.codec_context.bit_rate = 64_000
        wanted = stream.codec_context.format
        resampler = av.AudioResampler(
            format=wanted.name, layout=layout, rate=rate,
            frame_size=stream.codec_context.frame_size or 0,
        )  # fmt: skip
        frame = av.AudioFrame.from_ndarray(source.reshape(1, -1), format="flt", layout="mono")
        frame.sample_rate = 16_000
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return path


def wav(samples: bytes, *, rate: int = 16_000, bits: int = 16, kind: int = 1, channels: int = 1,
        claimed_bytes: int | None = None) -> bytes:  # fmt: skip
    """A RIFF file by hand, whose header may lie about the size of its data."""
    size = len(samples) if claimed_bytes is None else claimed_bytes
    align = channels * bits // 8
    form = struct.pack("<HHIIHH", kind, channels, rate, rate * align, align, bits)
    return (
        b"RIFF" + struct.pack("<I", min(size + 36, 0xFFFFFFFF)) + b"WAVE"
        b"fmt " + struct.pack("<I", len(form)) + form
        + b"data" + struct.pack("<I", size) + samples
    )  # fmt: skip


def silence(seconds: float, rate: int = 8_000) -> bytes:
    """A WAV of nothing, 8 bits a sample: long recordings in few bytes."""
    return wav(b"\x80" * int(seconds * rate), rate=rate, bits=8)


def video_without_sound(path: Path) -> Path:
    """A second of grey pictures."""
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(10):
            picture = np.full((64, 64, 3), 128, dtype=np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    return path
