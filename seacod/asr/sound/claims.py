"""How long a file says it is, as far as that is evidence.

ffmpeg gives a length for every file; for streams without a header it is a guess from the bit rate
at their beginning, which may be wrong a hundredfold. Here it counts only where the file itself says
it, and for formats that ffmpeg adjusts to what is there, their header is read once more.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import av

from seacod.asr.sound.frames import id3_bytes
from seacod.asr.sound.reader import Reader
from seacod.asr.sound.timeline import unbelieved_start

# Containers that write down how long they are.
_SAY_IT = frozenset(
    "mov,mp4,m4a,3gp,3g2,mj2 matroska,webm wav w64 aiff au caf flac asf avi ogg flv rm voc tta wv "
    "ape mpc mpc8 tak dsf iff sox".split()
)
# Longer than any recording: what programs write that do not know yet.
_UNKNOWN_SECONDS = 1000 * 3600.0
# No codec says anything with less than this; a longer claim cannot be true for this file.
_LEAST_BYTES_A_SECOND = 20
_HEAD_BYTES = 1 << 16
# Microsoft's and IMA's in a WAV (mmreg.h).
_ADPCM = (0x02, 0x11)
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a header says: the length of the track, and whether the file could hold so much.

    `is_short`: by sizes that it states, the file is shorter than it was.
    """

    seconds: float | None
    is_plausible: bool = True
    is_short: bool = False

    @property
    def evidence(self) -> float | None:
        """The length, where it can be believed."""
        return self.seconds if self.is_plausible else None


def claimed(container: Any, stream: Any, file: Reader) -> Claim:
    """What the file says about the length of a track.

    Args:
        container, stream: open, nothing read yet.
        file: the same file.
    """
    size_bytes = file.size
    head, tail = file.head(_HEAD_BYTES), file.tail(_HEAD_BYTES + 512)
    name = str(container.format.name)
    seconds, least = _stated(container, stream, name, head), float(_LEAST_BYTES_A_SECOND)
    codec = stream.codec_context
    if codec.name.startswith("pcm_") and codec.bit_rate:
        least = codec.bit_rate / 8 * 0.98
    if seconds is not None and name in _SAY_IT:
        seconds -= unbelieved_start(container)
    is_short = _is_short(name, head, tail, size_bytes)
    if seconds is None or not 0 < seconds < _UNKNOWN_SECONDS:
        return Claim(None, is_short=is_short)
    return Claim(seconds, seconds * least <= size_bytes + _HEAD_BYTES, is_short)


def _stated(container: Any, stream: Any, name: str, head: bytes) -> float | None:
    if name == "wav":
        return _wav(head)
    if name == "asf" and (seconds := _asf(head)) is not None:
        return seconds
    if name == "mp3" and not _has_length(head):
        return None
    if name == "mp3" or name in _SAY_IT:
        return _by_ffmpeg(container, stream, name)
    return None


def _by_ffmpeg(container: Any, stream: Any, name: str) -> float | None:
    own = _tag(str(stream.metadata.get("DURATION", "")))
    if own is not None:
        return own
    if stream.duration and stream.time_base:
        start = stream.start_time or 0
        # Where time stamps count from the beginning of the file, so does the end.
        late = start if name.startswith(("mov", "matroska")) else 0
        return float((stream.duration + late) * stream.time_base)
    others = [one for one in container.streams if one.index != stream.index]
    # The longest track decides what the container says; it may be the picture.
    return container.duration / av.time_base if container.duration and not others else None


def _tag(text: str) -> float | None:
    """Matroska's statistics tag, such as 00:00:02.870000000."""
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except (ValueError, OverflowError):
        return None


def _wav(head: bytes) -> float | None:
    """The sizes in a RIFF or RF64 header; ffmpeg replaces them by what is there."""
    if head[8:12] != b"WAVE" or head[:4] not in (b"RIFF", b"RF64", b"BW64"):
        return None
    at, rate, long_size = 12, 0.0, 0
    while at + 8 <= len(head):
        kind, (size,) = head[at : at + 4], struct.unpack("<I", head[at + 4 : at + 8])
        if kind == b"ds64" and at + 24 <= len(head):
            (long_size,) = struct.unpack("<Q", head[at + 16 : at + 24])
        elif kind == b"fmt " and at + 28 <= len(head):
            rate = _bytes_a_second(head[at + 8 : at + 28])
        elif kind == b"data":
            size = long_size if size == 0xFFFFFFFF and long_size else size
            # What recorders write that cannot go back: the greatest size there is, or none.
            is_unknown = size in (0, 0xFFFFFFFF, 0x7FFFFFFF) or size >= 0x7FFF0000 > long_size
            return None if is_unknown or not rate else size / rate
        at += 8 + size + size % 2
    return None


def _bytes_a_second(form: bytes) -> float:
    """Of the `fmt` chunk of a WAV. For ADPCM in blocks programs write any rate; sizes are true."""
    kind, _, sample_rate, rate, block_bytes, _, _, block_samples = struct.unpack("<HHIIHHHH", form)
    if kind in _ADPCM and block_samples and block_bytes:
        return float(sample_rate * block_bytes / block_samples)
    return float(rate)


def _asf(head: bytes) -> float | None:
    at = head.find(_ASF_PROPERTIES)
    if at < 0 or at + 96 > len(head):
        return None
    duration, _, preroll = struct.unpack("<QQQ", head[at + 64 : at + 88])
    return duration / 1e7 - preroll / 1e3 if duration else None


def _is_short(name: str, head: bytes, tail: bytes, size_bytes: int) -> bool:
    """Whether sizes that a file states go beyond its end, for formats of which ffmpeg says
    nothing."""
    if name == "avi" and head[:4] == b"RIFF":
        (stated,) = struct.unpack("<I", head[4:8])
        return bool(size_bytes + 1024 < stated + 8 < 0xFFFFFF00)
    if name == "mpegts" and head[:1] == b"G" == head[188:189]:
        # Packets of this size, each with the same first byte (ISO 13818-1, 2.4.3).
        return size_bytes % 188 != 0
    if name == "caf":
        return _caf_end(head) > size_bytes
    if name == "ogg":
        at = tail.rfind(b"OggS")
        segments = tail[at + 26] if at >= 0 and at + 27 <= len(tail) else 0
        # https://www.rfc-editor.org/rfc/rfc3533#section-6: lengths of the parts, then the parts.
        end = at + 27 + segments + sum(tail[at + 27 : at + 27 + segments])
        return at >= 0 and end > len(tail)
    return False


def _caf_end(head: bytes) -> int:
    """Where the data of a Core Audio file ends, as it says; 0 where it does not."""
    at = 8
    while at + 12 <= len(head):
        (length,) = struct.unpack(">q", head[at + 4 : at + 12])
        if length < 0:
            return 0
        if head[at : at + 4] == b"data":
            return at + 12 + int(length)
        at += 12 + length
    return 0


def _has_length(head: bytes) -> bool:
    """Whether the first frame of an MP3 is one of Xing's, LAME's or Fraunhofer's."""
    at = id3_bytes(head)
    first = head[at : at + 4096] if at < len(head) else head
    # A big picture may lie before it; then ffmpeg has found what there is, or guesses low.
    return any(mark in first for mark in (b"Xing", b"Info", b"VBRI")) or at >= len(head)
