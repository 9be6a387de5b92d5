"""Gives memory that was freed back to the kernel; glibc keeps it otherwise."""

from __future__ import annotations

import contextlib
import ctypes
import gc


def trim() -> None:
    """Collect what nobody needs, and give the free part of the heap back."""
    gc.collect()
    give_back()


def give_back() -> None:
    """Give the free part of the heap back (malloc_trim(3)); up to a third of a second."""
    # musl has no such call.
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
