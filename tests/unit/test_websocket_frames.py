"""WebSockets of the server under our sockets: what is no message, never ends or is never read loses
its connection, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
from by_hand import PATIENCE, Client, nobody_left, run, served
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

UPGRADE = (
    b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)
MASK = b"\0\0\0\0"


@pytest.mark.parametrize(
    "frames",
    [
        b"\x01\x80" + MASK + (b"\x00\x80" + MASK) * 200_000,
        (b"\x89\xfd" + MASK + b"p" * 125) * 100_000,
        b"\x81\xfe\xff\xff" + MASK + b"x" * 0xFFFF,
        b"\x01\xfe\x03\x00" + MASK + b"x" * 0x300 + (b"\x00\xfe\x03\x00" + MASK + b"x" * 0x300) * 9,
        b"\xc1\x85" + MASK + b"hello",
        b"\xff\xff" + b"\xff" * 100,
    ],
    ids=["empty fragments", "pings", "big", "fragments", "compressed", "nonsense"],
)
def test_frames_that_are_no_message_end_the_websocket(
    listening: socket.socket, frames: bytes
) -> None:
    async def story() -> None:
        async with served(listening) as connections:
            client = await Client.to(listening, UPGRADE)
            head = await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), PATIENCE)
            assert b" 101 " in head
            assert b"deflate" not in head
            with contextlib.suppress(ConnectionError):
                for at in range(0, len(frames), 60_000):
                    client.writer.write(frames[at : at + 60_000])
                    # Nothing is read: what comes back stays with the server.
                    await asyncio.wait_for(client.writer.drain(), PATIENCE)
            while len(connections):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            client.writer.close()

    run(story())


def test_a_message_of_fragments_without_end_is_no_message(listening: socket.socket) -> None:
    """Nothing is in them, and each takes memory."""
    frames = b"\x01\x80" + MASK + (b"\x00\x80" + MASK) * 200_000 + b"\x80\x80" + MASK

    async def story() -> None:
        async with served(listening, ws_ping_interval=None):
            client = await Client.to(listening, UPGRADE)
            await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), PATIENCE)
            with contextlib.suppress(ConnectionError):
                client.writer.write(frames)
                await asyncio.wait_for(client.writer.drain(), PATIENCE)
            # Not even an empty one is answered.
            assert await client.all() == b""
            client.writer.close()

    run(story())


def test_answers_to_pings_that_nobody_reads_do_not_fill_the_memory(
    listening: socket.socket,
) -> None:
    """Between messages, so that it is not for want of these."""

    async def hear(websocket: WebSocket) -> None:
        await websocket.accept()
        async for _ in websocket.iter_text():
            pass

    async def story() -> None:
        app = Starlette(routes=[WebSocketRoute("/echo", hear)])
        async with served(listening, app=app) as connections:
            client = await Client.to(listening, UPGRADE)
            await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), PATIENCE)
            pings = (b"\x89\xfd" + MASK + b"p" * 125) * 1000 + b"\x81\x82\0\0\0\0hi"
            with contextlib.suppress(ConnectionError):
                # More than the kernel keeps for the two of them.
                for _ in range(250):
                    client.writer.write(pings)
                    await asyncio.wait_for(client.writer.drain(), PATIENCE)
                pytest.fail("all of it was taken")
            await nobody_left(connections)
            client.writer.close()

    run(story())


def test_a_websocket_whose_messages_wait_for_us_is_not_taken_for_dead(
    listening: socket.socket,
) -> None:
    """Its answers to our pings lie behind them, unread."""

    async def look() -> None:
        may_go_on = asyncio.Event()

        async def slow(websocket: WebSocket) -> None:
            await websocket.accept()
            await may_go_on.wait()
            await websocket.send_text(await websocket.receive_text())

        app = Starlette(routes=[WebSocketRoute("/echo", slow)])
        pings = {"ws_ping_interval": 0.05, "ws_ping_timeout": 0.05}
        async with served(listening, app=app, **pings):
            client = await Client.to(listening, UPGRADE)
            await client.reader.readuntil(b"\r\n\r\n")
            client.writer.write(b"\x81\x82\0\0\0\0hi")
            for _ in range(4):
                # A ping of four bytes. Nobody answers it.
                assert (await client.reader.readexactly(6))[:2] == b"\x89\x04"
            may_go_on.set()
            # More pings, perhaps, and then its answer: no end.
            assert (await client.reader.readuntil(b"hi")).endswith(b"\x81\x02hi")
            client.writer.close()

    run(look())


def test_one_who_answers_no_ping_and_sends_nothing_is_let_go(listening: socket.socket) -> None:
    async def look() -> None:
        async with served(listening, ws_ping_interval=0.05, ws_ping_timeout=0.05) as connections:
            client = await Client.to(listening, UPGRADE)
            await client.all()
            await nobody_left(connections)
            client.writer.close()

    run(look())
