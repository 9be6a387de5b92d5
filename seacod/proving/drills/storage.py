"""Drill: the disk of the uploads runs full."""

from __future__ import annotations

import contextlib
import ctypes
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from seacod.errors import CannotWrite, SeacodError
from seacod.proving.drills.timing import Result, Timing
from seacod.proving.target import LocalService, wait_for
from seacod.system.files.free_space import free_bytes
from seacod.system.text.words import reason

# So much of what is refused below stays free for everybody else on this file system.
_LEFT_SHARE = 0.9


def fill_temp(target: LocalService) -> Result:
    """A file without a name takes the room for uploads, to just below storage.free_refuse_bytes. It
    goes with this process, whatever becomes of that."""
    limit = target.settings.storage.free_refuse_bytes
    if not limit:
        raise SeacodError(
            "storage.free_refuse_bytes is 0: uploads are never refused, so there is nothing to see",
            "storage.free_refuse_bytes 为 0：不会拒绝上传，无从演练",
        )
    directory = target.paths.temp
    with Timing("fill-temp", target) as timing, contextlib.ExitStack() as filled:
        timing.inject(lambda: filled.enter_context(_filled(directory, int(limit * _LEFT_SHARE))))
        began = time.time()
        wait_for(lambda: timing.load.seen["507"], "an upload that is refused")
        refused = time.time() - began
        timing.detected(lambda: "disk_full" in _open_alerts(target), "the alert disk_full")
        filled.close()
        timing.serves_again(since=time.time())
        told = timing.load.seen["507"]
        timing.remark = (
            f"the first upload was refused (507) after {refused:.1f} s, {told} in all; detected: "
            "the alert disk_full; serving again: from the moment there was room",
            f"{refused:.1f} 秒后首次拒绝上传（507），共 {told} 次；发现故障以告警 disk_full 计，"
            "恢复服务自腾出空间起计",
        )
    return timing.result()


def _open_alerts(target: LocalService) -> set[str]:
    alerts = target.status().get("alerts") or {"open": []}
    return {one["kind"] for one in alerts["open"]}


@contextlib.contextmanager
def _filled(directory: Path, left_bytes: int) -> Iterator[None]:
    """The directory's file system with no more than so much room."""
    try:
        # Unnamed (O_TMPFILE) where the file system has that.
        with tempfile.TemporaryFile(dir=directory) as file:
            size = (free_bytes(directory) or 0) - left_bytes
            if size > 0:
                _allocate(file.fileno(), size)
            yield
    except OSError as error:
        why, chinese = reason(error)
        raise CannotWrite(
            f"{directory}: cannot be filled: {why}; run the drill as root, on a file "
            "system that can reserve room (ext4, xfs, btrfs, tmpfs)",
            f"{directory}：无法占用空间：{chinese}；请以 root 运行，文件系统须支持预分配",
        ) from None


def _allocate(descriptor: int, size: int) -> None:
    """fallocate(2). Python has posix_fallocate only, which may write every block."""
    libc = ctypes.CDLL(None, use_errno=True)
    call = libc.fallocate64 if hasattr(libc, "fallocate64") else libc.fallocate
    if call(descriptor, 0, ctypes.c_int64(0), ctypes.c_int64(size)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
