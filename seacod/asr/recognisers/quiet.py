"""FunASR prints to stdout; what it printed goes to the log at debug level instead.

`contextlib.redirect_stdout` swaps the one `sys.stdout` of the process, which goes wrong when two
threads do it at once; so ours is put there once and asks which thread is printing.
"""

from __future__ import annotations

import contextlib
import io
import sys
import threading
from collections.abc import Iterator
from typing import Any

import structlog

log = structlog.get_logger(__name__)
_MAX_TEXT = 2000


class _Diverted(threading.local):
    """Where this thread's printing goes; None for the real stdout."""

    to: io.StringIO | None = None


_diverted = _Diverted()


class _Stdout:
    def __init__(self, real: Any) -> None:
        self.real = real

    def write(self, text: str) -> int:
        return int((_diverted.to or self.real).write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what this thread prints inside the block away from stdout."""
    if not isinstance(sys.stdout, _Stdout):
        sys.stdout = _Stdout(sys.stdout)
    before, _diverted.to = _diverted.to, io.StringIO()
    try:
        yield
    finally:
        printed, _diverted.to = _diverted.to, before
        if text := (printed.getvalue() if printed else "").strip():
            log.debug("library_printed", text=text[:_MAX_TEXT])
