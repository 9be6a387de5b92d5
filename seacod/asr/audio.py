"""Uploads to samples: what a file is (before decoding), and its sound as 16 kHz, on its timeline.

PyAV brings ffmpeg's decoders along, so no program is needed. Runs in the decoding processes
(`decoder/`), never on an event loop. File names are never looked at, only contents. `sound/` has
what is behind it: tracks, time, damage, channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from seacod.asr.sound import claims, tracks
from seacod.asr.sound.container import opened
from seacod.asr.sound.decoding import Decoding
from seacod.asr.sound.findings import Findings
from seacod.asr.sound.limits import check_enough, too_big, too_long, too_slow
from seacod.asr.sound.timeline import SAMPLE_RATE

__all__ = [
    "SAMPLE_RATE", "AudioInfo", "Decoding", "Samples", "check_enough", "decode", "inspect",
    "too_big", "too_long", "too_slow",
]  # fmt: skip
Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a file says about itself.

    `duration_seconds` is None when it says nothing that can be believed (a live recording of a
    browser, raw streams). `tracks` is how many there are to choose from.
    """

    size_bytes: int
    duration_seconds: float | None
    sample_rate: int
    channels: int
    codec: str
    container: str
    tracks: int


def inspect(
    source: Path | BinaryIO, *, max_seconds: float, max_bytes: int, track: int | None = None
) -> AudioInfo:
    """Read the header and refuse at once what is too long, too big, empty or not audio.

    A length that is only guessed refuses nobody; `decoded` sees to the limit then.

    Args:
        source: a private file of ours, or one that is open at its beginning.
        max_seconds: longest recording, in seconds.
        max_bytes: biggest file, in bytes.
        track: which audio track, from 1; None for the one a player would take.

    Raises:
        EmptyAudio, TooBig, TooLong, BadAudio: with a sentence naming the limit.
        BadRequest: there is no such track.
    """
    with opened(source, max_bytes) as (container, file):
        stream = tracks.chosen(container, track, Findings())
        info = AudioInfo(
            size_bytes=file.size,
            duration_seconds=claims.claimed(container, stream, file).evidence,
            sample_rate=int(stream.codec_context.sample_rate or 0),
            channels=int(stream.codec_context.channels or 0),
            codec=str(stream.codec_context.name),
            container=str(container.format.name),
            tracks=tracks.count(container),
        )
    if info.duration_seconds is not None and info.duration_seconds > max_seconds:
        raise too_long(max_seconds, info.duration_seconds)
    return info


def decode(source: Path | BinaryIO, *, max_seconds: float) -> Samples:
    """Decode the whole file at once, its channels mixed.

    Raises:
        BadAudio, EmptyAudio, TooLong.
    """
    decoding = Decoding(source, max_seconds=max_seconds, channels="mix")
    blocks = [stretch.samples for stretch in decoding.stretches()]
    check_enough(sum(map(len, blocks)))
    return np.concatenate(blocks)
