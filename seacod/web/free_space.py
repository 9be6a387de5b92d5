"""Whether there is room on the disk for what comes in: looked at where bytes are written, not only
where somebody says how many there will be."""

from __future__ import annotations

from pathlib import Path

import structlog

from seacod.errors import StorageFull
from seacod.paths import free_bytes

log = structlog.get_logger(__name__)


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
