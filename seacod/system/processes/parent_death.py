"""A child of ours ends with the process that started it, however that one ends; a grandchild that
loses its parent becomes a child of ours."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def die_with(parent_pid: int) -> bool:
    """Ask the kernel to kill this process when its parent ends (prctl(2)).

    Returns:
        False when the parent has ended before we asked: nobody will kill us then.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent_pid


def adopt_orphans() -> None:
    """Ask the kernel to make this process the parent of descendants that lose theirs (prctl(2)); it
    has to reap them."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
