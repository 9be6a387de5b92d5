"""Marks a file as needed, across processes, for as long as whoever needs it lives.

A shared lock (flock(2)): the worker holds one on each recording of a request that waits or runs;
the supervisor's sweep tries an exclusive one and leaves alone what it does not get. The kernel lets
go of it when the process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Mark the file as in use for the time of the block; it counts as touched at the beginning.

    Raises:
        FileNotFoundError: it has been removed already.
        OSError: it is a link, or cannot be opened.
    """
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_SH)
        if os.fstat(file).st_nlink == 0:
            # The sweep had it between our opening and our lock.
            raise FileNotFoundError(path)
        with contextlib.suppress(OSError):
            os.utime(file)
        yield
    finally:
        os.close(file)
