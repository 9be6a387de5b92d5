"""Writes a file whole or not at all, also when the power goes. Blocking."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

# Where root writes in a directory of somebody else's, a link there leads nowhere, nor does a pipe.
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# What a name may have on Linux's file systems (NAME_MAX).
_NAME_BYTES = 255


def write(target: Path, content: bytes, mode: int | None = None) -> None:
    """Write it under another name first, and bring it to the disk.

    Args:
        target: in place of what is there; its directory is made if it is missing.
        content: all of it.
        mode: of the file; None for the usual one.

    Raises:
        OSError: it cannot be written; nothing of it is left.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = beside(target)
    try:
        with open(os.open(part, _FLAGS, 0o666), "wb") as out:
            if mode is not None:
                os.fchmod(out.fileno(), mode)
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, target)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def beside(target: Path) -> Path:
    """The name a file has until it is whole: its own, or one made from it where that would be too
    long for a name."""
    name = f".{target.name}.part"
    if len(os.fsencode(name)) > _NAME_BYTES:
        name = f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()}.part"
    return target.with_name(name)
