"""A file that somebody edits while we run: read again when it is another one. Blocking; called on
threads by whoever owns one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import structlog

T = TypeVar("T")

log = structlog.get_logger(__name__)

_MAX_BYTES = 1024 * 1024


class WatchedFile(Generic[T]):
    """What was last made of a file. One that cannot be read leaves what was known; `trouble` says
    why.

    Args:
        path: the file.
        what: the name of its setting, for the log.
        nothing: until it was read.
        read: makes something of its content, at most 1 MiB of it, and says so in the log.
    """

    def __init__(self, path: Path, what: str, nothing: T, read: Callable[[bytes], T]) -> None:
        self.path = path
        self.value = nothing
        self._what = what
        self._read = read
        self._state: tuple[int, int, int] | None = None
        self.trouble = ""

    def look(self) -> None:
        """Read it, if it is not what was read before."""
        try:
            status = self.path.stat()
            state = (status.st_mtime_ns, status.st_size, status.st_ino)
            if state == self._state:
                return
            with self.path.open("rb") as file:
                content = file.read(_MAX_BYTES)
        except OSError as error:
            trouble = error.strerror or type(error).__name__
            if trouble != self.trouble:
                log.warning(f"{self._what}_not_read", file=str(self.path), cause=trouble)
            self._state, self.trouble = None, trouble
            return
        self._state, self.trouble = state, ""
        self.value = self._read(content)
