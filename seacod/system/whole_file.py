"""Writes a file whole or not at all, also when the power goes. Blocking."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write(target: Path, content: bytes) -> None:
    """Write it under another name first, and bring it to the disk.

    Args:
        target: in place of what is there; its directory is made if it is missing.
        content: all of it.

    Raises:
        OSError: it cannot be written; nothing of it is left.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        with part.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, target)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
