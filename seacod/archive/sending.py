"""Recordings of this machine on their way to engines of a cluster, piece by piece: how much is in
Ray's object store at once does not depend on how long they are. Used by `pool.py`."""

from __future__ import annotations

import hashlib
from pathlib import Path

# What is not longer goes along with the call that hears it.
WHOLE_BYTES = 1 << 20
PIECE_BYTES = 4 << 20
# So many at once, to all engines together: of each a piece may be in the object store.
_AT_ONCE = 64


class OutgoingRecordings:
    """All recordings that are being sent.

    Args:
        limit: how many may be.
    """

    def __init__(self, limit: int = _AT_ONCE) -> None:
        self._limit = limit
        self._sent: set[Sending] = set()

    @property
    def is_full(self) -> bool:
        """Whether another one has to wait."""
        return len(self._sent) >= self._limit

    def begin(self, path: Path) -> Sending:
        """Begin with one.

        Raises:
            OSError: it cannot be read.
        """
        sending = Sending(path, self._sent)
        self._sent.add(sending)
        return sending


class Sending:
    """One of them; see `OutgoingRecordings.begin`."""

    def __init__(self, path: Path, sent: set[Sending]) -> None:
        self._file = path.open("rb")
        self._digest = hashlib.sha256()
        self._sent = sent

    def piece(self, limit_bytes: int = PIECE_BYTES) -> bytes:
        """The next piece; empty at the end.

        Raises:
            OSError: it cannot be read.
        """
        piece = self._file.read(limit_bytes)
        self._digest.update(piece)
        return piece

    @property
    def sha256(self) -> str:
        """SHA-256 of what was read so far, in hexadecimal digits."""
        return self._digest.hexdigest()

    def end(self) -> None:
        """All of it is on its way, or it is given up; a second time does nothing."""
        self._file.close()
        self._sent.discard(self)
