"""How many clients of FunASR's protocol may be connected at once. Those that wait for their user to
speak make room for new ones, whoever waits longest first. One for a worker.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from seacod.errors import QueueFull
from seacod.system.net.client_places import most_for


class Guest:
    """A connection of a client's."""

    def __init__(self, client: str) -> None:
        self.client = client
        # It has to go, since others need its place.
        self.must_go = asyncio.Event()


class Crowd:
    """All of them."""

    def __init__(self) -> None:
        self._guests: set[Guest] = set()
        # The longest first.
        self._waiting: dict[Guest, None] = {}

    @contextlib.contextmanager
    def guest(self, most: int, client: str) -> Iterator[Guest]:
        """A place for the time of the block.

        Args:
            most: connections at once; a client that has none finds a few more.
            client: whose it is.

        Raises:
            QueueFull: there are as many, and none of them waits.
        """
        if len(self._guests) >= most:
            self._make_room(most, client)
        guest = Guest(client)
        self._guests.add(guest)
        try:
            yield guest
        finally:
            self._guests.discard(guest)

    @contextlib.contextmanager
    def waiting(self, guest: Guest) -> Iterator[None]:
        """The client has nothing going on for the time of the block."""
        self._waiting[guest] = None
        try:
            yield
        finally:
            self._waiting.pop(guest, None)

    def _make_room(self, most: int, client: str) -> None:
        guest = next(iter(self._waiting), None)
        if guest is None:
            has_any = any(one.client == client for one in self._guests)
            if len(self._guests) < most_for(most, has_any=has_any):
                return
            raise QueueFull(
                f"{len(self._guests)} clients of FunASR's protocol are connected already, which is "
                "the limit; try again in a moment",
                f"已有 {len(self._guests)} 个 FunASR 协议客户端连接，达到上限；请稍后重试",
            )
        del self._waiting[guest]
        self._guests.discard(guest)
        guest.must_go.set()
