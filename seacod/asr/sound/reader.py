"""A file read at a place of one's own: ffmpeg reads it, and whoever looks at its header beside."""

from __future__ import annotations

import os


class Reader:
    """An open file as PyAV takes it.

    Args:
        descriptor: stays open as long as this is used; its own position is never touched.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at = 0
        self.size = os.fstat(descriptor).st_size

    def beside(self) -> Reader:
        """Another reader of the same file, at its beginning."""
        return Reader(self._descriptor)

    def read(self, length: int = -1) -> bytes:
        """The next bytes, as many as there are up to `length`; all that are left when negative."""
        wanted = self.size - self._at if length < 0 else length
        data = os.pread(self._descriptor, max(0, wanted), self._at)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go somewhere, as in files; returns where."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def tell(self) -> int:
        """Where the next byte comes from."""
        return self._at

    def head(self, length: int) -> bytes:
        """The first bytes of the file."""
        return os.pread(self._descriptor, length, 0)

    def tail(self, length: int) -> bytes:
        """The last bytes of the file."""
        return os.pread(self._descriptor, length, max(0, self.size - length))
