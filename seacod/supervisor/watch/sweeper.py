"""Removes what was left of uploads: not touched for long, and needed by nobody.

Works on directory descriptors throughout (openat(2) and friends): no name is ever resolved twice,
no symbolic link is followed, nothing outside the directory can be reached, whatever somebody does
to it meanwhile. What a request needs carries a shared lock (`system/files/file_in_use.py`) and
stays.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seacod.system.clock_jumps import is_unset

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: somebody may have put a pipe there.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
# Deeper than Gradio or we make anything; bounds what a planted tree can cost.
_MAX_DEPTH = 8
# A time further ahead than this is no time of ours.
_CLOCK_SECONDS = 60.0
# An upload that is still coming in is younger than this between two writes.
NEVER_YOUNGER_SECONDS = 60.0


@dataclass(slots=True)
class Swept:
    """What one sweep did."""

    removed_files: int = 0
    removed_bytes: int = 0
    in_use: int = 0
    kept: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class _Found:
    """A file that may go, with its age; `parts` leads to it from the top."""

    touched_at: float
    size: int
    parts: tuple[str, ...]


def sweep(top: Path, keep_seconds: float, now: float | None = None) -> Swept:
    """Remove files not touched for `keep_seconds`, and directories that are empty then. Blocking.

    Args:
        top: our own directory; it stays.
        keep_seconds: by the later of modification and access.
        now: Unix seconds; the present by default.
    """
    moment = time.time() if now is None else now
    swept = Swept()
    with _opened(top) as descriptor:
        if descriptor is not None:
            _sweep_directory(descriptor, moment - keep_seconds, swept, 0)
    return swept


def make_room(top: Path, wanted_bytes: int, now: float | None = None) -> Swept:
    """Remove the oldest files that nobody needs until so many bytes are freed. Blocking."""
    moment = time.time() if now is None else now
    swept = Swept()
    with _opened(top) as descriptor:
        if descriptor is None:
            return swept
        found: list[_Found] = []
        _list(descriptor, (), found, 0)
        for one in sorted(found, key=lambda entry: entry.touched_at):
            if swept.removed_bytes >= wanted_bytes:
                break
            with _walked(descriptor, one.parts[:-1]) as parent:
                if parent is not None:
                    before = moment - NEVER_YOUNGER_SECONDS
                    _remove_if_unused(parent, one.parts[-1], before, swept)
    return swept


def _sweep_directory(descriptor: int, touched_before: float, swept: Swept, depth: int) -> None:
    for name, status in _entries(descriptor):
        if stat.S_ISDIR(status.st_mode):
            if depth >= _MAX_DEPTH:
                swept.kept += 1
                continue
            with _opened(name, descriptor) as inner:
                if inner is None:
                    continue
                _sweep_directory(inner, touched_before, swept, depth + 1)
            # Refused unless it is empty; a young one may be about to be used.
            if status.st_mtime < touched_before:
                with contextlib.suppress(OSError):
                    os.rmdir(name, dir_fd=descriptor)
        elif stat.S_ISREG(status.st_mode):
            _remove_if_unused(descriptor, name, touched_before, swept)
        else:
            # Links, pipes, sockets: none is ours; the link itself goes, never what it points to.
            if max(status.st_mtime, status.st_ctime) < touched_before:
                _unlink(descriptor, name, 0, swept)


def _remove_if_unused(descriptor: int, name: str, touched_before: float, swept: Swept) -> None:
    try:
        file = os.open(name, _FILE, dir_fd=descriptor)
    except FileNotFoundError:
        return
    except OSError:
        swept.failed += 1
        return
    try:
        status = os.fstat(file)
        touched = max(status.st_mtime, status.st_atime)
        now = time.time()
        is_wrong = touched > now + _CLOCK_SECONDS or is_unset(touched, now)
        if not stat.S_ISREG(status.st_mode) or touched >= touched_before or is_wrong:
            if is_wrong:
                # Of a clock that was ahead or not yet set; from now on it ages.
                os.utime(file)
            swept.kept += 1
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            swept.in_use += 1
            return
        # The name may be another file's by now; that one is not ours to judge.
        named = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        if (named.st_dev, named.st_ino) != (status.st_dev, status.st_ino):
            swept.kept += 1
            return
        _unlink(descriptor, name, status.st_size, swept)
    except FileNotFoundError:
        return
    finally:
        os.close(file)


def _unlink(descriptor: int, name: str, size: int, swept: Swept) -> None:
    try:
        os.unlink(name, dir_fd=descriptor)
    except FileNotFoundError:
        return
    except OSError:
        swept.failed += 1
        return
    swept.removed_files += 1
    swept.removed_bytes += size


def _list(descriptor: int, parts: tuple[str, ...], found: list[_Found], depth: int) -> None:
    for name, status in _entries(descriptor):
        if stat.S_ISDIR(status.st_mode) and depth < _MAX_DEPTH:
            with _opened(name, descriptor) as inner:
                if inner is not None:
                    _list(inner, (*parts, name), found, depth + 1)
        elif stat.S_ISREG(status.st_mode):
            touched = max(status.st_mtime, status.st_atime)
            found.append(_Found(touched, status.st_size, (*parts, name)))


def _entries(descriptor: int) -> list[tuple[str, os.stat_result]]:
    """Names and what they are now, links not followed."""
    entries = []
    for name in os.listdir(descriptor):
        with contextlib.suppress(FileNotFoundError):
            entries.append((name, os.stat(name, dir_fd=descriptor, follow_symlinks=False)))
    return entries


@contextlib.contextmanager
def _opened(name: str | Path, within: int | None = None) -> Iterator[int | None]:
    """A directory's descriptor; None when it is none, or gone, or a link."""
    try:
        descriptor = os.open(name, _DIRECTORY, dir_fd=within)
    except OSError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _walked(top: int, parts: tuple[str, ...]) -> Iterator[int | None]:
    """The directory below `top` that these names lead to, one step at a time."""
    with contextlib.ExitStack() as stack:
        descriptor: int | None = top
        for part in parts:
            if descriptor is None:
                break
            descriptor = stack.enter_context(_opened(part, descriptor))
        yield descriptor
