"""Whether a database still answers those who work with it.

A server that is frozen, or a network that swallows everything, closes no connection: whoever waits
for an answer waits for ever, and so does everybody behind; behind a lock of an embedded one for
seconds each. `store_thread.py` asks here how long it has been, tells clients, and breaks the
connections off, where there are any.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine, event

_STEPS = ("begin", "commit", "rollback", "before_cursor_execute", "after_cursor_execute")


class Stalls:
    """The work of all threads on one database.

    Args:
        database: of which the steps are watched; each of them is a sign of life.
        is_embedded: there is nobody at the other end; what takes long is a lock or the disk.
    """

    def __init__(self, database: Engine, *, is_embedded: bool = False) -> None:
        self.is_embedded = is_embedded
        self._connections: dict[int, Any] = {}
        self._lock = threading.Lock()
        # Of each thread that works: when it last got on.
        self._got_on: dict[int, float] = {}
        # Not when it is made: the first one was, before this.
        event.listen(database, "checkout", self._checked_out)
        event.listen(database, "close", self._closed)
        for step in _STEPS:
            event.listen(database, step, self._step, named=True)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """In the thread that works, as long as it does."""
        me = threading.get_ident()
        self._got_on[me] = time.monotonic()
        try:
            yield
        finally:
            del self._got_on[me]

    @property
    def seconds(self) -> float:
        """How long nothing has come of the work that got on least. Any thread may ask."""
        got_on = tuple(self._got_on.values())
        return time.monotonic() - min(got_on) if got_on else 0.0

    def break_off(self) -> None:
        """End every connection from this side, whoever works with it; each raises then what it does
        when the server goes away."""
        with self._lock:
            connections = tuple(self._connections.values())
        for connection in connections:
            with contextlib.suppress(Exception):
                # A copy: closing it leaves the number to its owner.
                with socket.socket(fileno=os.dup(connection.fileno())) as copy:
                    copy.shutdown(socket.SHUT_RDWR)

    def _checked_out(self, connection: Any, *_: Any) -> None:
        with self._lock:
            self._connections[id(connection)] = connection

    def _closed(self, connection: Any, *_: Any) -> None:
        with self._lock:
            self._connections.pop(id(connection), None)

    def _step(self, **_: Any) -> None:
        me = threading.get_ident()
        if me in self._got_on:
            self._got_on[me] = time.monotonic()
