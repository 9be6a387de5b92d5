"""What lies in a watched folder, and what of it is complete. Looks only; changes nothing. Blocking.

Complete is what has not changed for a while and that nobody, as far as /proc says, holds open for
writing. Names that begin with a dot are somebody's temporary ones, and so are other endings than
those of recordings; links are not followed.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from seacod.system.files.recordings import is_recording

# An empty file is one that somebody is about to fill; after so long it is one that stays empty.
_EMPTY_SECONDS = 60.0
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Version:
    """What tells a file from one of the same name before or after it."""

    size_bytes: int
    mtime_ns: int
    device: int
    inode: int


def version_of(path: Path) -> Version | None:
    """The version of an ordinary file; None of anything else, or of nothing."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return _version(status)


def opened(path: Path, version: Version) -> IO[bytes] | None:
    """The file that was seen, for reading; None where another one has its name by now: a link that
    somebody puts there leads to what only we may read.

    Raises:
        OSError: it is a link, or gone, or cannot be read.
    """
    # Not waiting for who writes to a pipe.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(descriptor, "rb")
    if _version(os.fstat(descriptor)) == version:
        return file
    file.close()
    return None


def _version(status: os.stat_result) -> Version | None:
    if not stat.S_ISREG(status.st_mode):
        return None
    return Version(status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino)


def recordings(directory: Path, left_out: Collection[Path] = ()) -> dict[Path, Version]:
    """The recordings below a directory, by their path from there.

    Args:
        directory: the watched folder.
        left_out: directories whose content is none of it.
    """
    found: dict[Path, Version] = {}
    for above, directories, names in os.walk(directory):
        place = Path(above)
        directories[:] = [
            one for one in directories if not one.startswith(".") and place / one not in left_out
        ]
        for name in names:
            path = place / name
            if not name.startswith(".") and is_recording(path) and (version := version_of(path)):
                found[path.relative_to(directory)] = version
    return found


class Arrivals:
    """Remembers since when each file is as it is.

    Args:
        settle_seconds: so long it must not have changed.
        clock: monotonic seconds.
        written_now: which of some (device, inode) are open for writing.
    """

    def __init__(
        self,
        settle_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        written_now: Callable[[Collection[tuple[int, int]]], set[tuple[int, int]]] | None = None,
    ) -> None:
        self._settle_seconds = settle_seconds
        self._clock = clock
        self._written_now = written_now or open_for_writing
        self._since: dict[Path, tuple[Version, float]] = {}

    def complete(self, found: Mapping[Path, Version]) -> list[Path]:
        """The files that are complete now, the oldest first.

        Args:
            found: what is there now and was not dealt with; what is not among it is forgotten.
        """
        now = self._clock()
        since = {}
        for path, version in found.items():
            before, at = self._since.get(path, (version, now))
            since[path] = (version, at if before == version else now)
        self._since = since
        settled = [
            path for path, (version, at) in since.items() if self._is_settled(version, now - at)
        ]
        if not settled:
            return []
        written = self._written_now({_identity(found[path]) for path in settled})
        kept = [path for path in settled if _identity(found[path]) not in written]
        return sorted(kept, key=lambda path: (found[path].mtime_ns, str(path)))

    def _is_settled(self, version: Version, seconds: float) -> bool:
        needed = self._settle_seconds if version.size_bytes else _EMPTY_SECONDS
        return seconds >= max(needed, self._settle_seconds)


def open_for_writing(wanted: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
    """Which of these files (device, inode) a process has open for writing, as far as we may
    look: at our own user's processes, as root at all."""
    found = set()
    for descriptor in _descriptors():
        with contextlib.suppress(OSError, ValueError):
            status = descriptor.stat()
            identity = (status.st_dev, status.st_ino)
            if identity in wanted and _is_writing(descriptor):
                found.add(identity)
    return found


def _descriptors() -> Iterator[Path]:
    for process in _PROC.glob("[0-9]*/fd"):
        # It may be gone, or another user's.
        with contextlib.suppress(OSError):
            yield from process.iterdir()


def _is_writing(descriptor: Path) -> bool:
    """By the line `flags:` of proc(5), which is octal."""
    about = descriptor.parent.parent / "fdinfo" / descriptor.name
    for line in about.read_text("ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "flags":
            return bool(int(value, 8) & os.O_ACCMODE)
    return False


def _identity(version: Version) -> tuple[int, int]:
    return version.device, version.inode
