"""A child of ours ends with the process that started it, however that one ends."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1


def die_with(parent_pid: int) -> bool:
    """Ask the kernel to kill this process when its parent ends (prctl(2)).

    Returns:
        False when the parent has ended before we asked: nobody will kill us then.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent_pid
