"""One service a runtime directory, where two would read each other's metrics and status, and one a
state directory, where they would send each other's alerts and work on each other's batches.

Commands take no lock: they read, or leave word in files of their own. Nodes that share batches have
a state directory each (docs/scale.md).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import structlog

from seacod.errors import AnotherService
from seacod.paths import Paths

log = structlog.get_logger(__name__)

_MOST_PID_BYTES = 32


class ServiceLock:
    """A file that only one running service holds.

    Args:
        path: of the file, in the directory that is that service's alone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: int | None = None

    def take(self) -> None:
        """Hold it until `let_go`, or the end of the process.

        Raises:
            AnotherService: another service holds it.
            OSError: there is no such directory, it cannot be written to, or nothing can be locked
                on its file system.
        """
        lock = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(lock, _MOST_PID_BYTES, 0).decode("ascii", "replace").strip() or "?"
            os.close(lock)
            raise AnotherService(
                f"another seacod (pid {pid}) uses {self.path.parent}; stop it, or give this one "
                "directories of its own: paths.state_directory and paths.runtime_directory",
                f"另一个 seacod（pid {pid}）正在使用 {self.path.parent}；请先停止它，或为本服务另设"
                "目录：paths.state_directory 与 paths.runtime_directory",
            ) from None
        except OSError:
            os.close(lock)
            raise
        # Who holds it is for that sentence alone; a full disk has no place for it.
        with contextlib.suppress(OSError):
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
        self.let_go()
        self._held = lock

    def let_go(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def is_there(self) -> bool:
        """Whether what we hold is what others would find."""
        if self._held is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._held), self.path.lstat())
        except OSError:
            return False

    async def remake(self) -> None:
        """Hold another one where somebody has removed ours; raises as `take`."""
        self.take()


@contextlib.contextmanager
def held(paths: Paths) -> Iterator[ServiceLock]:
    """Hold the locks of a service's directories; it is given that of the runtime directory.

    Raises:
        AnotherService: another service holds one of them.
        OSError: the runtime directory cannot be locked.
    """
    runtime, state = ServiceLock(paths.runtime_lock), ServiceLock(paths.state_lock)
    try:
        runtime.take()
        try:
            state.take()
        except OSError as error:
            # A full disk, or a file system without locks: the service goes on there without.
            log.warning("state_not_locked", path=str(state.path), error=error.strerror)
        yield runtime
    finally:
        state.let_go()
        runtime.let_go()
