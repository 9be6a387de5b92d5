"""MP3 and AAC without a container, frame by frame, as their headers say: what lies between two
frames is damage, and ffmpeg skips it without a word.

Pure reading of bytes. How long a hole was follows from the others: exactly where the header of the
file says how long all of it is, or where every second has as many bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from seacod.asr.sound.reader import Reader

KINDS = ("mp3", "aac")
# What players write behind the sound; no frame of sound begins or goes on like this.
TAGS = (b"APETAGEX", b"LYRICSBEGIN", b"TAG\0", b"LYRICS200")
_CHUNK = 1 << 20
# Longer than any frame and its successor's header.
_LOOK_AHEAD = 1 << 14
# A hole of fewer bytes is padding.
_SMALLEST = 64
_MOST = 1000
_HEADER = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Hole:
    """Data between two frames that is none: after how many frames, and how long it was."""

    packets: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _CodedFrame:
    length: int
    seconds: float


_Reader = Callable[[bytes, int], _CodedFrame | None]


def holes(file: Reader, kind: str) -> list[Hole]:
    """All holes of a stream; none where it is whole, or where nobody can read its headers.

    Args:
        file: the recording.
        kind: one of `KINDS`.
    """
    read = _adts if kind == "aac" else _mpeg
    found: list[tuple[int, int]] = []
    count, size, seconds, all_seconds = 0, 0, 0.0, None
    for step in _steps(file, read):
        if isinstance(step, int):
            if len(found) < _MOST:
                found.append((count, step))
            continue
        frame, data = step
        if not count and kind == "mp3" and (mark := _xing_at(data)) is not None:
            frames = _xing_frames(data[mark:])
            all_seconds = frames * frame.seconds if frames else None
            continue
        count, size, seconds = count + 1, size + frame.length, seconds + frame.seconds
    if not found or not seconds:
        return []
    lost = sum(step for _, step in found)
    rate = size / seconds
    # Together they are as long as the header says, if that is about what their bytes say.
    if all_seconds is not None and 0.5 < (all_seconds - seconds) * rate / lost < 2.0:
        rate = lost / (all_seconds - seconds)
    return [Hole(number, step / rate) for number, step in found]


def _steps(file: Reader, read: _Reader) -> Iterator[tuple[_CodedFrame, bytes] | int]:
    """Frames with their first bytes, and as numbers the bytes that are none."""
    file = file.beside()
    data, at, is_over = b"", 0, False
    junk = 0
    while True:
        if len(data) - at < _LOOK_AHEAD and not is_over:
            more = file.read(_CHUNK)
            is_over = not more
            data, at = data[at:] + more, 0
        if at + 8 > len(data):
            break
        if not junk and data[at : at + 3] == b"ID3" and (length := id3_bytes(data[at : at + 10])):
            # A picture may be bigger than what was read.
            skipped = min(length, len(data) - at)
            file.seek(length - skipped, 1)
            at += skipped
            continue
        frame = read(data, at)
        # Behind damage, one header may be chance; two are not.
        if frame is not None and junk:
            following = at + frame.length
            if following + 8 <= len(data) and read(data, following) is None:
                frame = None
        if frame is None:
            step = _next_sync(data, at + 1) - at
            if not junk and data[at : at + 12].startswith(TAGS):
                return
            junk += step
            at += step
            continue
        if junk >= _SMALLEST:
            yield junk
        junk = 0
        yield frame, data[at : at + 256]
        at += frame.length
    if junk >= _SMALLEST:
        yield junk


def _next_sync(data: bytes, at: int) -> int:
    found = data.find(b"\xff", at)
    return found if found >= 0 else len(data)


def _adts(data: bytes, at: int) -> _CodedFrame | None:
    """ISO 13818-7, 6.2: the header of an ADTS frame."""
    if data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
        return None
    rate_index = data[at + 2] >> 2 & 15
    length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    if rate_index > 12 or length < 7:
        return None
    return _CodedFrame(length, (1 + (data[at + 6] & 3)) * 1024 / _ADTS_RATES[rate_index])


_ADTS_RATES = (
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
)  # fmt: skip
_BIT_RATES = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def _mpeg(data: bytes, at: int) -> _CodedFrame | None:
    """ISO 11172-3, 2.4.2.3: the header of an MPEG audio frame."""
    (header,) = _HEADER.unpack_from(data, at)
    if header >> 21 != 0x7FF:
        return None
    version, layer = header >> 19 & 3, 4 - (header >> 17 & 3)
    index, rate_index, padding = header >> 12 & 15, header >> 10 & 3, header >> 9 & 1
    if version == 1 or layer == 4 or not 0 < index < 15 or rate_index == 3:
        return None
    is_first = version == 3
    rate = (44_100, 48_000, 32_000)[rate_index] // {3: 1, 2: 2, 0: 4}[version]
    bits = _BIT_RATES[(1, layer) if is_first else (2, min(layer, 2))][index - 1] * 1000
    if layer == 1:
        return _CodedFrame((12 * bits // rate + padding) * 4, 384 / rate)
    samples = 576 if layer == 3 and not is_first else 1152
    return _CodedFrame(samples // 8 * bits // rate + padding, samples / rate)


def _xing_at(data: bytes) -> int | None:
    """Where the first frame of an MP3 says how many follow, if it does."""
    found = [data.find(mark) for mark in (b"Xing", b"Info", b"VBRI")]
    return min((at for at in found if at >= 0), default=None)


def _xing_frames(data: bytes) -> int | None:
    if data[:4] == b"VBRI":
        return int(_HEADER.unpack_from(data, 14)[0]) if len(data) >= 18 else None
    if len(data) < 12 or not data[7] & 1:
        return None
    return int(_HEADER.unpack_from(data, 8)[0])


def id3_bytes(head: bytes) -> int:
    """How many bytes an ID3v2 tag takes: https://id3.org/id3v2.4.0-structure; 0 where none is."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    a, b, c, d = head[6:10]
    return 10 + ((a & 127) << 21 | (b & 127) << 14 | (c & 127) << 7 | d & 127)
