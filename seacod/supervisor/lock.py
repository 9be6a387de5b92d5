"""One service a runtime directory: two would read each other's metrics and status."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from seacod.errors import SeacodError


@contextlib.contextmanager
def held(runtime: Path) -> Iterator[None]:
    """Hold the lock of a runtime directory.

    Raises:
        SeacodError: another service holds it.
    """
    with (runtime / "lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            pid = lock.read().strip() or "?"
            raise SeacodError(
                f"another seacod (pid {pid}) uses {runtime}; stop it, or set "
                "SEACOD_PATHS_RUNTIME_DIRECTORY to another directory for this one",
                f"另一个 seacod（pid {pid}）正在使用 {runtime}；请先停止它，或为本服务设置"
                " SEACOD_PATHS_RUNTIME_DIRECTORY",
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
