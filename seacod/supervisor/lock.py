"""One service a runtime directory: two would read each other's metrics and status."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from seacod.errors import SeacodError


class RuntimeLock:
    """The lock of a runtime directory.

    Args:
        runtime: the directory.
    """

    def __init__(self, runtime: Path) -> None:
        self.path = runtime / "lock"
        self._held: TextIO | None = None

    def take(self) -> None:
        """Hold it until `let_go`, or the end of the process.

        Raises:
            SeacodError: another service holds it.
            OSError: there is no such directory, or it cannot be written to.
        """
        lock = self.path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            pid = lock.read().strip() or "?"
            lock.close()
            raise SeacodError(
                f"another seacod (pid {pid}) uses {self.path.parent}; stop it, or set "
                "SEACOD_PATHS_RUNTIME_DIRECTORY to another directory for this one",
                f"另一个 seacod（pid {pid}）正在使用 {self.path.parent}；请先停止它，或为本服务设置"
                " SEACOD_PATHS_RUNTIME_DIRECTORY",
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self.let_go()
        self._held = lock

    def let_go(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    def is_there(self) -> bool:
        """Whether what we hold is what others would find."""
        if self._held is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._held.fileno()), self.path.lstat())
        except OSError:
            return False

    async def remake(self) -> None:
        """Hold another one where somebody has removed ours; raises as `take`."""
        self.take()


@contextlib.contextmanager
def held(runtime: Path) -> Iterator[RuntimeLock]:
    """Hold the lock of a runtime directory.

    Raises:
        SeacodError: another service holds it.
    """
    lock = RuntimeLock(runtime)
    lock.take()
    try:
        yield lock
    finally:
        lock.let_go()
