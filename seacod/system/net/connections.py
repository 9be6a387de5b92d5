"""Who is connected to a socket of ours, and who has to go when there are too many.

Used by whatever accepts: the worker's server, the supervisor's fallback, the metrics page. Whoever
is *idle* (it has asked for nothing, or not for long enough) makes room for who comes, the address
with most connections first; what is being answered is never broken off. Knows nothing of HTTP.
"""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections import Counter, OrderedDict
from collections.abc import Callable

from seacod.system.net.addresses import counted

# Of this process's descriptors so many stay free: for probe, logs, decoders, files of the jobs.
RESERVED_DESCRIPTORS = 96
# A connection may need as many: its socket, and the file an upload is written to.
_DESCRIPTORS_A_CONNECTION = 2
# There is room for so many, however few descriptors there are.
_FEWEST = 16
# Somebody was turned away, or had to go, so lately: it is crowded still.
_CROWDED_SECONDS = 15.0


class OpenConnection:
    """The place of one connection; idle until `busy` is called."""

    __slots__ = ("_connections", "address", "close", "is_idle")

    def __init__(self, connections: Connections, address: str, close: Callable[[], None]) -> None:
        self._connections = connections
        self.address = address
        self.close = close
        self.is_idle = True

    def busy(self) -> None:
        """It asks for something; from now on it is not closed for others."""
        self._connections.busy(self)

    def idle(self) -> None:
        """It was answered."""
        self._connections.idle(self)

    def leave(self) -> None:
        """It is closed."""
        self._connections.leave(self)


class Connections:
    """All connections of one server.

    Args:
        most: of all addresses together.
        most_of_address: of one address; of IPv6 of one /64.
        is_exempt: whether an address speaks for many (a proxy), so that only `most` holds for it.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        most: int,
        most_of_address: int,
        *,
        is_exempt: Callable[[str], bool] = lambda address: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most = most
        self.most_of_address = most_of_address
        self._is_exempt = is_exempt
        self._clock = clock
        self._counts: Counter[str] = Counter()
        # By address, the longest idle first.
        self._idle: dict[str, OrderedDict[OpenConnection, None]] = {}
        self._crowded_at: float | None = None
        self.closed = 0
        self.refused = 0

    def __len__(self) -> int:
        return self._counts.total()

    @property
    def is_crowded(self) -> bool:
        """Whether somebody was lately turned away, or closed for others."""
        return self._crowded_at is not None and self._clock() - self._crowded_at < _CROWDED_SECONDS

    def exhausted(self) -> None:
        """A connection could not be accepted for want of descriptors: make room."""
        self._crowded_at = self._clock()
        for _ in range(RESERVED_DESCRIPTORS):
            if not self._close_one(self._fullest()):
                break

    def come(self, address: str, close: Callable[[], None]) -> OpenConnection | None:
        """A place for a new connection; None when there is none and nobody idle to make room.

        Args:
            address: where it comes from; empty for a socket of this machine.
            close: closes it, when it is idle and others need the place.
        """
        is_exempt = self._is_exempt(address)
        if not is_exempt:
            address = counted(address)
        if address and not is_exempt and self._counts[address] >= self.most_of_address:
            has_room = self._close_one(address)
        else:
            has_room = len(self) < self.most or self._close_one(self._fullest())
        if not has_room:
            self.refused += 1
            self._crowded_at = self._clock()
            return None
        connection = OpenConnection(self, address, close)
        self._counts[address] += 1
        self._idle.setdefault(address, OrderedDict())[connection] = None
        return connection

    def busy(self, connection: OpenConnection) -> None:
        if connection.is_idle:
            connection.is_idle = False
            self._take_from_idle(connection)

    def idle(self, connection: OpenConnection) -> None:
        if not connection.is_idle and connection.address in self._counts:
            connection.is_idle = True
            self._idle.setdefault(connection.address, OrderedDict())[connection] = None

    def leave(self, connection: OpenConnection) -> None:
        if connection.is_idle:
            self._take_from_idle(connection)
        self._counts[connection.address] -= 1
        if self._counts[connection.address] <= 0:
            del self._counts[connection.address]

    def _fullest(self) -> str | None:
        """The address with most connections among those with an idle one."""
        return max(self._idle, key=lambda address: self._counts[address], default=None)

    def _close_one(self, address: str | None) -> bool:
        """Close the longest idle connection of an address; whether there was one."""
        waiting = self._idle.get(address) if address is not None else None
        if not waiting:
            return False
        connection = next(iter(waiting))
        self.closed += 1
        self._crowded_at = self._clock()
        # Its place is free at once: the transport tells only later that it is closed.
        self._take_from_idle(connection)
        connection.close()
        return True

    def _take_from_idle(self, connection: OpenConnection) -> None:
        waiting = self._idle.get(connection.address)
        if waiting is not None:
            waiting.pop(connection, None)
            if not waiting:
                del self._idle[connection.address]


def most_connections(wanted: int) -> int:
    """As many as wanted, or as this process has descriptors for. Raises its own limit first, as far
    as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    open_now = len(os.listdir("/proc/self/fd"))
    free = (soft - open_now - RESERVED_DESCRIPTORS) // _DESCRIPTORS_A_CONNECTION
    return max(_FEWEST, min(wanted, free))
