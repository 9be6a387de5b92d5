"""Accepts connections on the shared listening socket, and stops without losing one. Used by the
worker and by the supervisor's fallback; knows nothing of HTTP.

Own code and not `loop.create_server`, for two reasons. `asyncio.Server.close` loses connections
that the kernel has just handed over: one closed between accept(2) and the attaching of its
transport was lost 50 times of 50 on Python 3.11, 3.12 and 3.13 alike. And where several workers
share the socket, whoever has least to do is to take the next connection: asyncio takes a whole
burst at once.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger(__name__)

# So many at once where nobody else accepts; the loop does other things in between.
_BURST = 64
# After each connection the others get this long to take the next one.
_BREATH_SECONDS = 0.002
# Somebody has less to do: looked at again after so long; after so long in all it is taken anyway,
# since that somebody may hang.
_YIELD_SECONDS = 0.01
_PATIENCE_SECONDS = 0.1
# Out of descriptors: what waits stays in the kernel's queue.
_EXHAUSTED_SECONDS = 0.5
OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_TELL_AGAIN_SECONDS = 60.0
# Only the supervisor's probe comes there.
_OWN_BACKLOG = 16


class Acceptor:
    """Accepts on one socket.

    Args:
        listening: a non-blocking socket; it is neither made nor closed here.
        serve: serves a connection, and closes it.
        is_crowded: whether other workers accept on it, too.
        is_my_turn: whether no other worker has less to do.
        on_exhausted: told when there is no descriptor left for the next connection.
    """

    def __init__(
        self,
        listening: socket.socket,
        serve: Callable[[socket.socket], Coroutine[Any, Any, None]],
        *,
        is_crowded: Callable[[], bool] = lambda: False,
        is_my_turn: Callable[[], bool] = lambda: True,
        on_exhausted: Callable[[], None] = lambda: None,
    ) -> None:
        self._listening = listening
        self._serve = serve
        self._is_crowded = is_crowded
        self._is_my_turn = is_my_turn
        self._on_exhausted = on_exhausted
        self._told_at = -_TELL_AGAIN_SECONDS
        self._is_on = False
        self._yielding_since: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_on(self) -> bool:
        """Whether it accepts."""
        return self._is_on

    def start(self) -> None:
        """Accept from now on."""
        self._loop = asyncio.get_running_loop()
        if not self._is_on:
            self._is_on = True
            self._resume()

    def close(self) -> None:
        """Accept nothing more; what was accepted is served. Whoever else holds the socket goes on
        accepting."""
        if self._is_on:
            self._is_on = False
            self._loop.remove_reader(self._listening)

    async def stop(self) -> None:
        """Accept nothing more, and wait until what was accepted is served."""
        self.close()
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    async def abort(self) -> None:
        """Accept nothing more, and break off what is being served."""
        self.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _resume(self) -> None:
        if self._is_on:
            self._loop.add_reader(self._listening, self._on_readable)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening)
        self._loop.call_later(seconds, self._resume)

    def _tell(self, error: OSError) -> None:
        now = self._loop.time()
        if now - self._told_at >= _TELL_AGAIN_SECONDS:
            self._told_at = now
            log.warning("could_not_accept", error=str(error))

    def _on_readable(self) -> None:
        is_crowded = self._is_crowded()
        if is_crowded and not self._is_my_turn():
            now = self._loop.time()
            if self._yielding_since is None:
                self._yielding_since = now
            if now - self._yielding_since < _PATIENCE_SECONDS:
                self._pause(_YIELD_SECONDS)
                return
        self._yielding_since = None
        for _ in range(1 if is_crowded else _BURST):
            try:
                connection, _ = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._tell(error)
                if error.errno in OUT_OF_DESCRIPTORS:
                    self._on_exhausted()
                self._pause(_EXHAUSTED_SECONDS)
                return
            connection.setblocking(False)
            # It is served, stop or no stop: it was taken from the queue.
            task = self._loop.create_task(self._serve(connection), name="serve")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if is_crowded:
            self._pause(_BREATH_SECONDS)


def unix_socket(path: Path) -> socket.socket:
    """Make a listening unix socket for our user alone, in place of one that an ended process
    left."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    os.chmod(path, 0o600)
    listening.listen(_OWN_BACKLOG)
    listening.setblocking(False)
    return listening
