"""Which file lies at a path: whoever has one open finds out so that it was removed or replaced."""

from __future__ import annotations

import os
from pathlib import Path

Identity = tuple[int, int]


def identity(path: Path) -> Identity | None:
    """Device and inode of what lies there; None for nothing, or nothing that can be looked at."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
