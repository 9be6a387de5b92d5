"""A file system that hangs: FUSE of which nobody answers the requests."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

_LIBC = ctypes.CDLL(None, use_errno=True)
_DETACH = 2


@contextlib.contextmanager
def hung(directory: Path) -> Iterator[None]:
    """Whoever asks for something in this directory waits until this is over."""
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.W_OK):
        pytest.skip("only root can mount a file system of its own (/dev/fuse)")
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    try:
        if _LIBC.mount(b"hung", bytes(directory), b"fuse", 0, options) != 0:
            pytest.skip(f"FUSE cannot be mounted here: {os.strerror(ctypes.get_errno())}")
        yield
    finally:
        # Who waits hears that nobody is there.
        os.close(device)
        _LIBC.umount2(bytes(directory), _DETACH)
