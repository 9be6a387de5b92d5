"""What is too long, too big or too little, in words."""

from __future__ import annotations

import math

from seacod.asr.sound.timeline import SAMPLE_RATE
from seacod.errors import BadAudio, EmptyAudio, TooBig, TooLong

# A recording shorter than this has no frame of speech features (25 ms).
MIN_SECONDS = 0.1


def check_enough(samples: int) -> None:
    """Whether a decoded recording has anything to hear in it.

    Raises:
        EmptyAudio: it has too little or none.
    """
    if samples < MIN_SECONDS * SAMPLE_RATE:
        # Not rounded up to what would be enough.
        held = math.floor(samples / SAMPLE_RATE * 1e4) / 1e4
        raise EmptyAudio(
            f"the recording holds {held:g} s of sound; at least {MIN_SECONDS} s is needed",
            f"录音只有 {held:g} 秒，至少需要 {MIN_SECONDS} 秒",
        )


def too_long(max_seconds: float, found_seconds: float | None) -> TooLong:
    """The error for a recording over the limit."""
    found = f" ({found_seconds:.0f} s)" if found_seconds is not None else ""
    found_zh = f"（{found_seconds:.0f} 秒）" if found_seconds is not None else ""
    return TooLong(
        f"the recording{found} is longer than the limit of {max_seconds:g} s; cut it into shorter "
        "pieces",
        f"录音{found_zh}超过 {max_seconds:g} 秒的上限，请切成较短的片段后再试",
    )


def too_big(max_bytes: int) -> TooBig:
    """The error for a file over the limit."""
    mib = max_bytes / (1024 * 1024)
    return TooBig(
        f"the file is bigger than the limit of {mib:g} MiB; compress it or cut it",
        f"文件超过 {mib:g} MiB 的上限，请压缩或切分后再试",
    )


def too_slow() -> BadAudio:
    """The error for a file that takes long and gives no sound meanwhile."""
    return BadAudio(
        "the file takes too long to read: it is damaged, or made of a great many empty parts; "
        "convert it (such as with ffmpeg) and send it again",
        "读取该文件耗时过长：文件已损坏或包含大量空数据块，请转换格式后重试",
    )
