"""Shows whoever sits at a terminal that something goes on, and for how long: what starts, and each
part of a bench. Nothing is written where nobody watches.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

from seacod.system.text.terminal import in_language, width

_TOLD_SECONDS = 1.0
_COLUMNS = 60


@contextlib.contextmanager
def telling() -> Iterator[Callable[[str], None]]:
    """What is given is shown, with the seconds since the block began, once a second at most."""
    is_watched = sys.stderr.isatty()
    began, told_at = time.monotonic(), -_TOLD_SECONDS

    def tell(what: str) -> None:
        nonlocal told_at
        now = time.monotonic()
        if is_watched and now - told_at >= _TOLD_SECONDS:
            told_at = now
            words = (what or in_language("starting", "正在启动"))[:_COLUMNS]
            blanks = " " * max(0, _COLUMNS - width(words))
            print(f"\r{words}{blanks} {now - began:4.0f} s", end="", file=sys.stderr, flush=True)

    try:
        yield tell
    finally:
        if is_watched:
            print(f"\r{'':<{_COLUMNS + 10}}\r", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def busy_with(english: str, chinese: str) -> Iterator[None]:
    """Show progress beside a block that cannot do so itself, from a thread of its own."""
    if not sys.stderr.isatty():
        yield
        return
    is_over = threading.Event()

    def show() -> None:
        with telling() as tell:
            while not is_over.wait(_TOLD_SECONDS):
                tell(in_language(english, chinese))

    thread = threading.Thread(target=show, name="seacod-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
