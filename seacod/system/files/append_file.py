"""A file that lines are appended to, whatever becomes of it: moved, unwritable, its disk full.

Whoever writes is told by an `OSError`, and may go on: the next line is tried anew.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

from seacod.system.text.words import Words, reason

_MODE = 0o640
# A file that could not be opened is tried again after so long, not with each line.
_AGAIN_SECONDS = 1.0


def why_not(path: Path) -> Words | None:
    """Why a line could not be appended to this file by this process, in words; None when it could.
    A full disk is no reason: it may be empty again. Nothing is left by looking: a file that root
    makes is none that the service's user may write to."""
    try:
        try:
            os.close(_opened(path, os.O_APPEND))
        except FileNotFoundError:
            _try_to_make(Path(os.path.realpath(path)).parent)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return reason(error)
    return None


def _try_to_make(directory: Path) -> None:
    """See whether a file could be made there, by one that has no name.

    Raises:
        OSError: it could not.
    """
    try:
        os.close(os.open(directory, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, _MODE))
    except OSError as error:
        # Not every file system has files without a name (NFS); open(2) has both of these for it.
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR):
            raise
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None


class AppendFile:
    """One write(2) a line, which O_APPEND keeps whole between processes. Any thread may write and
    reopen.

    Args:
        path: made when it is missing, when the first line is written.
        clock: seconds, monotonic.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._clock = clock
        # A descriptor that one thread closes may be another file's when the next one writes to it.
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._tried_at = 0.0
        self._trouble: OSError | None = None
        # The last line was cut off by a full disk.
        self._is_torn = False

    def write(self, line: str) -> None:
        """Append a line.

        Raises:
            OSError: it was not written, or only its beginning.
        """
        data = f"{line}\n".encode(errors="replace")
        with self._lock:
            descriptor = self._descriptor if self._descriptor is not None else self._open()
            if self._is_torn:
                data = b"\n" + data
            is_torn = self._is_torn = os.write(descriptor, data) < len(data)
        if is_torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def reopen(self) -> None:
        """Go on in a new file of the same name; the old one keeps what was written."""
        self.close()
        self._trouble = None

    def close(self) -> None:
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _open(self) -> int:
        now = self._clock()
        if self._trouble is not None and now - self._tried_at < _AGAIN_SECONDS:
            raise self._trouble
        self._tried_at = now
        try:
            self._descriptor = _opened(self.path, os.O_APPEND | os.O_CREAT)
        except OSError as error:
            self._trouble = error
            raise
        self._trouble = None
        return self._descriptor


def _opened(path: Path, flags: int) -> int:
    # A pipe that nobody reads must not be waited for.
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK | flags, _MODE)
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return descriptor
