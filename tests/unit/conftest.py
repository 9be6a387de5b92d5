"""Services in simulated time (`simulation.py`), for the tests that turn their clocks, and a socket
for those of servers (`by_hand.py`)."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from simulation import World, quiet

from seacod.supervisor.sockets.binding import Named, bind
from seacod.system.net.listen_address import ListenAddress


@pytest.fixture
def make() -> Iterator[Callable[..., World]]:
    """Makes services; each is stopped at the end, and must leave nothing behind."""
    worlds: list[World] = []

    def new(count: int = 1, **sections: dict[str, Any]) -> World:
        worlds.append(World(count, **sections))
        return worlds[-1]

    with quiet():
        yield new
        for world in worlds:
            try:
                world.finish()
            finally:
                world.close()


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with contextlib.closing(
        bind(ListenAddress("127.0.0.1", 0), Named("server.host", "server.port"))
    ) as one:
        yield one
