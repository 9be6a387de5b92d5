"""Accepts connections on the shared listening socket, and stops without losing one.

Own code and not `loop.create_server`, for two reasons. `asyncio.Server.close` loses connections the
kernel has just handed over (until Python 3.12; base_events.py, `Server._attach`). And where several
workers share the socket, whoever has least to do is to take the next connection: asyncio takes a
whole burst at once.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path

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
# Only the supervisor's probe comes there.
_OWN_BACKLOG = 16


class Acceptor:
    """Accepts on one socket.

    Args:
        listening: a non-blocking socket; it is neither made nor closed here.
        make: makes a protocol for each connection.
        is_crowded: whether other workers accept on it, too.
        is_my_turn: whether no other worker has less to do.
    """

    def __init__(
        self,
        listening: socket.socket,
        make: Callable[[], asyncio.Protocol],
        *,
        is_crowded: Callable[[], bool] = lambda: False,
        is_my_turn: Callable[[], bool] = lambda: True,
    ) -> None:
        self._listening = listening
        self._make = make
        self._is_crowded = is_crowded
        self._is_my_turn = is_my_turn
        self._is_on = False
        self._yielding_since: float | None = None
        self._connecting: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Accept from now on."""
        self._loop = asyncio.get_running_loop()
        self._is_on = True
        self._resume()

    async def stop(self) -> None:
        """Accept nothing more; what was accepted is served. Whoever else holds the socket goes on
        accepting."""
        if self._is_on:
            self._is_on = False
            self._loop.remove_reader(self._listening)
        if self._connecting:
            await asyncio.wait(set(self._connecting))

    def _resume(self) -> None:
        if self._is_on:
            self._loop.add_reader(self._listening, self._on_readable)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening)
        self._loop.call_later(seconds, self._resume)

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
                log.warning("could_not_accept", error=str(error))
                self._pause(_EXHAUSTED_SECONDS)
                return
            connection.setblocking(False)
            # One that is connecting is finished, stop or no stop: it was taken from the queue.
            task = self._loop.create_task(self._connect(connection), name="connect")
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
        if is_crowded:
            self._pause(_BREATH_SECONDS)

    async def _connect(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make, connection)
        except OSError as error:
            log.info("connection_lost_at_once", error=str(error))
            connection.close()


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
