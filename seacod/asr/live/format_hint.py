"""Whether what a microphone sends is what `/live` takes, by its first bytes: whoever sends
compressed sound or floating-point numbers would get a text of noise.

Pure; called by `session.py` for each message until it knows.
"""

from __future__ import annotations

import numpy as np

from seacod.errors import BadRequest

# How files and streams of compressed sound begin.
_MARKS = {
    b"OggS": "Ogg", b"\x1a\x45\xdf\xa3": "WebM", b"RIFF": "WAV", b"ID3": "MP3", b"fLaC": "FLAC",
    b"#!AMR": "AMR", b"caff": "CAF", b"FORM": "AIFF",
}  # fmt: skip
_MP4 = b"ftyp"
# So much that is not silence tells floating-point numbers from 16-bit samples.
_WANTED_BYTES = 8192
# Sound as floating-point numbers: nearly all between these, whatever its level. Pairs of 16-bit
# samples read like that are spread over eighty powers of ten.
_SMALLEST, _GREATEST, _SHARE = 1e-9, 2.0, 0.95


class FormatHint:
    """Looks at the beginning of a stream."""

    def __init__(self) -> None:
        self._is_first = True
        self._seen = bytearray()
        self._is_known = False

    def look(self, sound: bytes) -> None:
        """Take the next message.

        Raises:
            BadRequest: it is no 16-bit samples; the sentence says what to send.
        """
        if self._is_known:
            return
        if self._is_first:
            self._is_first = False
            self._check_marks(sound)
        # Silence says nothing; whole numbers of four bytes, or they would not line up.
        kept = sound[: len(sound) // 4 * 4]
        if kept.strip(b"\0"):
            self._seen += kept
        if len(self._seen) >= _WANTED_BYTES:
            self._is_known = True
            self._check_floats()

    def _check_marks(self, sound: bytes) -> None:
        name = next((name for mark, name in _MARKS.items() if sound.startswith(mark)), None)
        if sound[4:8] == _MP4:
            name = "MP4"
        if name is not None:
            raise _refusal(f"this is {name}", f"收到的是 {name} 格式")

    def _check_floats(self) -> None:
        values = np.abs(np.frombuffer(bytes(self._seen), "<f4"))
        sounding = values[values != 0]
        is_plausible = (sounding > _SMALLEST) & (sounding < _GREATEST)
        self._seen.clear()
        if len(sounding) and float(is_plausible.mean()) > _SHARE:
            raise _refusal("these are 32-bit floating-point numbers", "收到的是 32 位浮点采样")


def _refusal(english: str, chinese: str) -> BadRequest:
    return BadRequest(
        f"sound: {english}; send 16-bit signed samples, little-endian, one channel, without a "
        "header, at the sample_rate of the start",
        f"音频：{chinese}；请发送 16 位有符号整数采样（小端、单声道、无文件头），"
        "采样率与 start 消息一致",
    )
