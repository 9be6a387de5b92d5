"""How much room is left on a disk, and whether it is enough for what comes in: looked at where
bytes are written, not only where somebody says how many there will be. Blocking, where a file
system is away.
"""

from __future__ import annotations

import os
from pathlib import Path

import structlog

from seacod.errors import StorageFull

log = structlog.get_logger(__name__)

# With fewer an upload, a batch or a database may fail at any moment.
LEAST_FREE_FILES = 1000


def free_files(directory: Path) -> int | None:
    """How many files our user may still make there; None when that is unknown, or not limited
    (btrfs and others have no fixed number)."""
    try:
        status = os.statvfs(directory)
    except OSError:
        return None
    return status.f_favail if status.f_files else None


def free_bytes(directory: Path) -> int | None:
    """How many bytes our user may still write there; None when that is unknown."""
    try:
        status = os.statvfs(directory)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize


def check_room(directory: Path, limit_bytes: int, more_bytes: int = 0) -> None:
    """See whether so much stays free there. Quick: may be called for each piece that is written.

    Args:
        directory: where it goes.
        limit_bytes: so much is to stay free (`storage.free_refuse_bytes`); 0 for no such limit.
        more_bytes: what is about to be written.

    Raises:
        StorageFull: less would.
    """
    free = free_bytes(directory) if limit_bytes else None
    if free is None or free - more_bytes >= limit_bytes:
        return
    log.warning("upload_refused", free_mib=free >> 20, limit_mib=limit_bytes >> 20)
    raise StorageFull(
        f"the server has only {free >> 20} MiB left for uploads; its operator has to make room "
        "on the disk",
        f"服务器仅剩 {free >> 20} MiB 磁盘空间，无法接收该文件，请联系管理员",
    )
