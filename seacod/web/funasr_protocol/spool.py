"""A recording on its way to the disk, message by message: what mode `offline` recognises.

Bare samples get the head of a WAV file, so that they are a recording like any other. Used by
`connection.py`; writes on a thread of the pool, in private files that the supervisor sweeps if we
are killed.
"""

from __future__ import annotations

import asyncio
import io
import struct
from pathlib import Path
from types import TracebackType

from seacod.asr.audio import too_big
from seacod.web.funasr_protocol.messages import FunasrWishes

_BUFFER_BYTES = 1 << 20
# How a WAV file begins: some clients send one whole, and call it pcm.
_RIFF = b"RIFF"
_BARE = ("pcm", "")
# One channel of 16-bit samples; its sizes have 32 bits.
_HEAD = struct.Struct("<4sI4s4sIHHIIHH4sI")
_MOST_BARE_BYTES = (1 << 32) - _HEAD.size


class Spool:
    """
    Args:
        path: where it is to lie; must not exist.
        wishes: say whether it is bare samples, and of which rate.
        max_bytes: of the recording.
    """

    def __init__(self, path: Path, wishes: FunasrWishes, max_bytes: int) -> None:
        self.path = path
        self._wishes = wishes
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._file: io.BufferedWriter | None = None
        self._is_bare = False
        self.size_bytes = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()
        self.path.unlink(missing_ok=True)

    async def add(self, sound: bytes) -> None:
        """More of it.

        Raises:
            TooBig: the recording is too big.
            OSError: the disk takes no more.
        """
        self.size_bytes += len(sound)
        most = min(self._max_bytes, _MOST_BARE_BYTES) if self._is_bare else self._max_bytes
        if self.size_bytes > most:
            raise too_big(most)
        self._buffer += sound
        if len(self._buffer) >= _BUFFER_BYTES:
            await asyncio.to_thread(self._write)

    async def finish(self) -> None:
        """Nothing more comes: from now on it is a recording.

        Raises:
            OSError: the disk takes no more.
        """
        await asyncio.to_thread(self._close)

    # -- on a thread --------------------------------------------------------------------------

    def _write(self) -> None:
        if self._file is None:
            self._file = self.path.open("xb")
            self._is_bare = self._wishes.format in _BARE and not self._buffer.startswith(_RIFF)
            if self._is_bare:
                self._file.write(self._head(0))
        self._file.write(self._buffer)
        self._buffer.clear()

    def _close(self) -> None:
        self._write()
        assert self._file is not None
        if self._is_bare:
            # Half a sample at the end is none.
            self._file.truncate(self._file.tell() - self.size_bytes % 2)
            self._file.seek(0)
            self._file.write(self._head(self.size_bytes // 2 * 2))
        self._file.close()

    def _head(self, size_bytes: int) -> bytes:
        rate = self._wishes.rate
        return _HEAD.pack(
            b"RIFF", size_bytes + _HEAD.size - 8, b"WAVE",
            b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16,
            b"data", size_bytes,
        )  # fmt: skip
