"""Recordings while an engine hears them, in files of its machine: in a directory of its own below
the temporary directory, of which nothing is left, however the engine ends.

A shell waits for that end and removes the directory. Where it was killed as well, with the whole
node, the next engine on that machine does: the directory of a living one is locked (flock(2)).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PREFIX = "seacod-bulk-"
# In the background, and so nobody's child: Ray kills those of an engine that it kills.
_REMOVE_AT_THE_END = 'exec 3<&0; (read -r _ <&3; exec rm -rf -- "$0") &'


@dataclass(slots=True)
class ReceivedFile:
    """One recording, and the hash of what of it is there."""

    path: Path
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, piece: bytes) -> None:
        """Write the next piece. Blocking.

        Raises:
            OSError: it cannot be kept.
        """
        with self.path.open("ab") as file:
            file.write(piece)
        self.digest.update(piece)

    @property
    def sha256(self) -> str:
        """SHA-256 of all pieces, in hexadecimal digits."""
        return str(self.digest.hexdigest())


class ReceivedFiles:
    """The directory of this process. Blocking, all of it.

    Args:
        parent: where it is made; the temporary directory of this machine.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, parent: Path | None = None) -> None:
        parent = parent or Path(tempfile.gettempdir())
        _sweep(parent)
        self._files: dict[int, ReceivedFile] = {}
        self._names = itertools.count(1)
        self.directory, self._lock = _own_directory(parent)
        # Its end is the end of this process: nobody else has it.
        shell = subprocess.Popen(
            ["/bin/sh", "-c", _REMOVE_AT_THE_END, str(self.directory)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, cwd="/",
        )  # fmt: skip
        shell.wait()
        self._shell_input = shell.stdin

    def receive(self, pieces: Iterable[bytes], number: int | None = None) -> ReceivedFile:
        """Write what comes of a recording.

        Args:
            pieces: in their order.
            number: of a recording that comes in several calls; it is kept until it is taken.

        Raises:
            OSError: it cannot be kept; nothing of it is.
        """
        file = self._files.get(number) if number is not None else None
        if file is None:
            file = ReceivedFile(self.directory / str(next(self._names)))
            file.path.touch(0o600)
            if number is not None:
                self._files[number] = file
        try:
            for piece in pieces:
                file.add(piece)
        except BaseException:
            file.path.unlink(missing_ok=True)
            if number is not None:
                self._files.pop(number, None)
            raise
        return file

    def forget(self, number: int) -> None:
        """Remove what has come of a recording."""
        if (file := self._files.pop(number, None)) is not None:
            file.path.unlink(missing_ok=True)

    def take(self, number: int) -> ReceivedFile:
        """A recording of which every piece has come."""
        return self._files.pop(number)


def _sweep(parent: Path) -> None:
    """Remove what engines have left that were killed with their node."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(parent):
            if entry.name.startswith(_PREFIX) and entry.is_dir(follow_symlinks=False):
                _remove_if_left(Path(entry.path))


def _remove_if_left(directory: Path) -> None:
    """Remove it unless its engine lives."""
    with contextlib.suppress(OSError):
        handle = _opened(directory)
        try:
            if os.fstat(handle).st_uid == os.getuid():
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory)
        finally:
            os.close(handle)


def _own_directory(parent: Path) -> tuple[Path, int]:
    """A new one, and the lock on it."""
    while True:
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        with contextlib.suppress(FileNotFoundError):
            handle = _opened(directory)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.fstat(handle).st_nlink:
                return directory, handle
            # The sweep of another one had it before our lock.
            os.close(handle)


def _opened(directory: Path) -> int:
    return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
