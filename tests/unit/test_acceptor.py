"""Accepting on a socket that others hold, too: nothing that was accepted is lost."""

from __future__ import annotations

import asyncio
import socket

import pytest
from supervised import PATIENCE_SECONDS

from seacod.supervisor.sockets.fallback import Fallback
from seacod.supervisor.sockets.listener import Listener
from seacod.system.net.acceptor import Acceptor

CLIENTS = 50


async def ask(listening: socket.socket) -> bytes:
    """One request; what came back until the other side closed."""
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer


async def answer(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with connection:
        await loop.sock_recv(connection, 4096)
        await loop.sock_sendall(connection, b"hello")


def test_closed_in_the_very_turn_of_accepting_it_serves_what_it_has(
    listening: socket.socket,
) -> None:
    async def run() -> None:
        for _ in range(CLIENTS):
            first = Acceptor(listening, answer)
            first.start()
            asking = asyncio.create_task(ask(listening))
            # The first one stops as soon as it holds the connection.
            while not first._tasks:  # noqa: ASYNC110
                await asyncio.sleep(0)
            await first.stop()
            assert await asyncio.wait_for(asking, PATIENCE_SECONDS) == b"hello"

    asyncio.run(run())


def test_what_is_not_accepted_is_left_to_the_next(listening: socket.socket) -> None:
    async def run() -> None:
        one, other = Acceptor(listening, answer), Acceptor(listening, answer)
        one.start()
        one.close()
        asking = [asyncio.create_task(ask(listening)) for _ in range(CLIENTS)]
        other.start()
        assert (
            await asyncio.wait_for(asyncio.gather(*asking), PATIENCE_SECONDS)
            == [b"hello"] * CLIENTS
        )
        await other.stop()

    asyncio.run(run())


@pytest.mark.parametrize("is_kept", [False, True])
def test_the_fallback_answers_while_it_is_open_and_leaves_alone_what_systemd_keeps(
    listening: socket.socket, is_kept: bool
) -> None:
    answers = 0

    def count() -> None:
        nonlocal answers
        answers += 1

    async def run() -> None:
        fallback = Fallback([Listener(listening, is_kept)], count)
        fallback.open("starting", lambda: 7)
        told = await asyncio.wait_for(ask(listening), PATIENCE_SECONDS)
        assert told.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 7\r\n" in told
        fallback.open("stopping", lambda: 7)
        asking = asyncio.create_task(ask(listening))
        if is_kept:
            # It waits in the socket for the service's next start.
            next_start = Acceptor(listening, answer)
            next_start.start()
            assert await asyncio.wait_for(asking, PATIENCE_SECONDS) == b"hello"
            await next_start.stop()
        else:
            assert b"is being stopped" in await asyncio.wait_for(asking, PATIENCE_SECONDS)
        await fallback.finish()

    asyncio.run(run())
    assert answers == (1 if is_kept else 2)


def test_somebody_who_dawdles_at_the_fallback_makes_room(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seacod.supervisor.sockets.fallback._MAX_CONNECTIONS", 16)

    async def run() -> None:
        fallback = Fallback([Listener(listening, is_kept=False)], lambda: None)
        fallback.open("starting", lambda: 7)
        held = [await asyncio.open_connection(*listening.getsockname()) for _ in range(100)]
        for _, writer in held:
            writer.write(b"GET / HTTP/1.1\r\nHost: ")
        told = await asyncio.wait_for(ask(listening), PATIENCE_SECONDS)
        assert told.startswith(b"HTTP/1.1 503 ")
        await fallback.finish()
        for _, writer in held:
            writer.close()

    asyncio.run(run())
