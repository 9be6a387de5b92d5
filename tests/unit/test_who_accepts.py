"""Who takes the next connection, who makes room for it, and that none is lost."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from simulated_clock import Clock

from seacod.system.net import acceptor as module
from seacod.system.net.acceptor import Acceptor, unix_socket
from seacod.system.net.connections import Connections
from seacod.system.text import masking


def accepting(
    listening: socket.socket,
    test: Callable[[Acceptor, list[socket.socket]], Awaitable[None]],
    *,
    serve: Callable[[socket.socket], Awaitable[None]] | None = None,
    **options: Any,
) -> None:
    async def run() -> None:
        taken: list[socket.socket] = []

        async def take(connection: socket.socket) -> None:
            taken.append(connection)
            if serve is not None:
                await serve(connection)

        one = Acceptor(listening, take, **options)
        one.start()
        try:
            await asyncio.wait_for(test(one, taken), 60)
        finally:
            await one.abort()
            for connection in taken:
                connection.close()

    asyncio.run(run())


def knock(listening: socket.socket) -> socket.socket:
    return socket.create_connection(listening.getsockname())


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


def test_who_has_more_to_do_leaves_it_to_the_others(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 3600.0)
    turns = [False] * 5 + [True]
    asked: list[bool] = []

    def is_my_turn() -> bool:
        asked.append(turns[min(len(asked), 5)])
        return asked[-1]

    async def test(one: Acceptor, taken: list[socket.socket]) -> None:
        with knock(listening):
            await until(lambda: taken)
        assert asked == turns

    accepting(listening, test, is_crowded=lambda: True, is_my_turn=is_my_turn)


def test_a_neighbour_that_hangs_is_not_waited_for(listening: socket.socket) -> None:
    async def test(one: Acceptor, taken: list[socket.socket]) -> None:
        with knock(listening):
            await until(lambda: taken)

    accepting(listening, test, is_crowded=lambda: True, is_my_turn=lambda: False)


class Exhausted:
    """A socket that cannot accept for want of descriptors."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real
        self.tries = 0

    def fileno(self) -> int:
        return self._real.fileno()

    def accept(self) -> Any:
        self.tries += 1
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_without_descriptors_room_is_made_and_nobody_spins(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_EXHAUSTED_SECONDS", 3600.0)
    made: list[int] = []
    exhausted = Exhausted(listening)

    async def test(one: Acceptor, taken: list[socket.socket]) -> None:
        with knock(listening):
            await until(lambda: made)
            for _ in range(50):
                await asyncio.sleep(0)
        assert (exhausted.tries, len(made)) == (1, 1)

    accepting(exhausted, test, on_exhausted=lambda: made.append(1))  # type: ignore[arg-type]


def test_a_stop_waits_for_what_was_accepted(listening: socket.socket) -> None:
    may_end = asyncio.Event()

    async def serve(connection: socket.socket) -> None:
        await may_end.wait()

    async def test(one: Acceptor, taken: list[socket.socket]) -> None:
        with knock(listening):
            await until(lambda: taken)
            stopping = asyncio.ensure_future(one.stop())
            for _ in range(5):
                await asyncio.sleep(0)
            assert not stopping.done()
            may_end.set()
            await stopping

    accepting(listening, test, serve=serve)


def test_our_own_socket_is_for_our_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "page.sock"
    for _ in range(2):  # in place of one that an ended process left
        with closing(unix_socket(path)):
            assert path.stat().st_mode & 0o777 == 0o600


def test_the_longest_idle_one_makes_room_and_who_is_answered_does_not() -> None:
    closed: list[str] = []
    connections = Connections(3, 3)
    places = {
        name: connections.come("10.0.0.1", lambda name=name: closed.append(name))  # type: ignore[misc]
        for name in "abc"
    }
    busy = places["a"]
    assert busy is not None
    busy.busy()
    assert connections.come("10.0.0.2", lambda: None) is not None
    assert closed == ["b"]
    assert connections.come("10.0.0.2", lambda: closed.append("x")) is not None
    assert closed == ["b", "c"]


def test_it_is_crowded_for_a_while_after_somebody_had_to_go() -> None:
    clock = Clock()
    connections = Connections(1, 1, clock=clock.monotonic)
    one = connections.come("10.0.0.1", lambda: None)
    assert one is not None
    one.busy()
    assert not connections.is_crowded
    assert connections.come("10.0.0.2", lambda: None) is None
    clock.now += 14.9
    assert connections.is_crowded
    clock.now += 0.2
    assert not connections.is_crowded


def test_a_place_that_is_left_is_there_again() -> None:
    connections = Connections(1, 1)
    for _ in range(3):
        one = connections.come("10.0.0.1", lambda: None)
        assert one is not None
        one.busy()
        one.leave()
    assert len(connections) == 0


def test_an_address_of_ipv6_has_no_more_places_than_one_of_ipv4() -> None:
    connections = Connections(10, 2, is_exempt=lambda address: address == "2001:db8::9")

    def held(*addresses: str) -> int:
        count = 0
        for address in addresses:
            if (one := connections.come(address, lambda: None)) is not None:
                one.busy()
                count += 1
        return count

    assert held("2001:db8::9", "2001:db8::9", "2001:db8::9") == 3
    assert held("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1") == 3


def test_of_an_address_only_so_many_but_for_a_proxy() -> None:
    connections = Connections(10, 2, is_exempt=lambda address: address == "10.0.0.9")

    def held(address: str) -> int:
        count = 0
        for _ in range(4):
            if (one := connections.come(address, lambda: None)) is not None:
                one.busy()
                count += 1
        return count

    assert (held("10.0.0.1"), held("10.0.0.9")) == (2, 4)


def test_secrets_of_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_REMEMBERED", 20)
    for number in range(50):
        masking.remember(f"secret-number-{number:03}")
    assert len(masking._forms) <= 20
    assert "secret-number-049" not in masking.masked("secret-number-049")
