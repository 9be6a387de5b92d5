"""Whether the service can write where it has to: its directories are there and open to it, and
there are inodes left. What can be mended is; the rest is told. Called by `disk.py`: what looks is
for a thread, since a file system may hang, what tells for the loop."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Mapping
from pathlib import Path

import structlog

from seacod.paths import Paths
from seacod.supervisor.bus import AlertCleared, AlertRaised, Bus
from seacod.system.files.free_space import LEAST_FREE_FILES
from seacod.system.text.words import NOTHING, Words, reason

log = structlog.get_logger(__name__)

# Before the path in the key of an alert that is about them.
INODES = "inodes "
_HANGS: Words = ("its file system does not answer", "文件系统没有响应")


class Directories:
    """
    Args:
        paths: the directories of the service.
        bus: takes alerts.
    """

    def __init__(self, paths: Paths, bus: Bus) -> None:
        self.own = tuple(dict.fromkeys((paths.state, paths.temp)))
        self._bus = bus
        self._problems: dict[Path, Words] = {}
        self._used_up: set[Path] = set()

    def look(self, directory: Path) -> Words:
        """What is wrong with a directory; it is made again, or opened again, where that is ours to
        do. On a thread."""
        if directory not in self.own:
            # Made by whoever needs it; whether it answers is all that counts.
            directory.exists()
            return NOTHING
        problem = problem_of(directory)
        if problem != NOTHING and (mended := _mend(directory)):
            log.warning("directory_mended", directory=str(directory), problem=problem[0])
            problem = problem_of(directory) if mended else problem
        return problem

    def tell(self, found: Mapping[Path, Words | None]) -> None:
        """Tell what `look` has found; None of a directory that has not answered."""
        for directory, problem in found.items():
            self._tell(directory, _HANGS if problem is None else problem)

    def tell_free(self, found: Mapping[Path, int | None]) -> None:
        """Tell how many files can be made: a disk may have room and no inodes."""
        for directory, free in found.items():
            key = f"{INODES}{directory}"
            if free is not None and free < LEAST_FREE_FILES:
                if directory in self._used_up:
                    continue
                self._used_up.add(directory)
                log.error("inodes_used_up", directory=str(directory), free=free)
                english = (
                    f"Only {free} more files can be made on the file system of {directory}: "
                    "its inodes are used up, though there may be room (df -i)."
                )
                chinese = (
                    f"{directory} 所在文件系统只能再创建 {free} 个文件：inode 已用尽，"
                    "即使仍有空间（df -i）。"
                )
                self._bus.publish(AlertRaised("disk_full", english, chinese, key, is_once=True))
            else:
                self._used_up.discard(directory)
                self._bus.publish(
                    AlertCleared("disk_full", "Files can be made again.", "已可继续创建文件。", key)
                )

    def _tell(self, directory: Path, problem: Words) -> None:
        key = str(directory)
        if problem != NOTHING and self._problems.get(directory) != problem:
            log.error("directory_unusable", directory=key, problem=problem[0])
            english = (
                f"{directory} cannot be used: {problem[0]}. Uploads are refused and batches wait."
            )
            chinese = f"{directory} 无法使用：{problem[1]}。上传会被拒绝，批量任务等待恢复。"
            self._bus.publish(AlertRaised("storage", english, chinese, key))
        elif problem == NOTHING:
            english, chinese = f"{directory} can be used again.", f"{directory} 已恢复可用。"
            self._bus.publish(AlertCleared("storage", english, chinese, key))
        self._problems[directory] = problem


def problem_of(directory: Path) -> Words:
    """Why nothing can be written there; `NOTHING` where something can."""
    try:
        if not os.path.isdir(directory):
            os.listdir(directory)
        if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
            return reason(PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    except OSError as error:
        return reason(error)
    return NOTHING


def _mend(directory: Path) -> bool:
    """Whether something was done about it."""
    with contextlib.suppress(OSError):
        if not directory.exists() and not directory.is_symlink():
            directory.mkdir(mode=0o750, parents=True)
            return True
        if directory.is_dir() and directory.stat().st_uid == os.geteuid():
            directory.chmod(0o750)
            return True
    return False
