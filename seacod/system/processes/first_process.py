"""Being PID 1, as in a container without an init: what the kernel does differently. Called by
`seacod run`. What is orphaned the supervisor reaps anyway (`supervisor/workers/nurseries.py`).
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from seacod.errors import EX_OK


def end_when_told() -> None:
    """Let SIGTERM end us until the supervisor handles it: the kernel drops signals that PID 1 has
    no handler for (pid_namespaces(7)), and a stop in the first moment would end in SIGKILL."""
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, _end)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(EX_OK)
