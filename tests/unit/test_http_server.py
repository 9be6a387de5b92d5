"""The server under our sockets: who sends nothing, too slowly or too much of nothing loses its
connection, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from seacod.config.server import ServerSettings
from seacod.supervisor.sockets.binding import Named, bind
from seacod.system import http_server, self_made_certificate
from seacod.system.addresses import AddressSet
from seacod.system.connections import Connections
from seacod.system.http_server import BoundedServer
from seacod.system.listen_address import ListenAddress
from seacod.worker.serving import Server

PATIENCE = 120.0
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with contextlib.closing(
        bind(ListenAddress("127.0.0.1", 0), Named("server.host", "server.port"))
    ) as one:
        yield one


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """All limits of time are short."""
    monkeypatch.setattr(http_server, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(http_server, "_BODY_LOOK_SECONDS", 0.3)
    monkeypatch.setattr(http_server, "_WRITE_SECONDS", 0.3)


async def hello(request: Request) -> Response:
    if request.method == "POST":
        size = sum([len(chunk) async for chunk in request.stream()])
        return PlainTextResponse(str(size))
    if request.query_params:
        return PlainTextResponse("x" * (64 << 20))
    return PlainTextResponse("hello")


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


class Running(BoundedServer):
    """On one socket, until it is told to end."""

    def __init__(
        self,
        listening: socket.socket,
        connections: Connections,
        tls: ssl.SSLContext | None = None,
        **options: Any,
    ) -> None:
        app = Starlette(
            routes=[Route("/", hello, methods=["GET", "POST"]), WebSocketRoute("/echo", echo)]
        )
        super().__init__(
            options.pop("app", app), connections, lifespan="off", ws_max_size=1000, **options
        )
        self._listening = listening
        self._tls = tls

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        self._acceptor = self.acceptor(self._listening, self._tls)
        self._acceptor.start()

    async def end(self) -> None:
        self.should_exit = self.force_exit = True
        await self._acceptor.stop()


@contextlib.asynccontextmanager
async def served(
    listening: socket.socket,
    most: int = 1000,
    of_address: int = 1000,
    exempt: str = "",
    **options: Any,
) -> AsyncIterator[Connections]:
    connections = Connections(most, of_address, is_exempt=AddressSet(exempt).__contains__)
    server = Running(listening, connections, **options)
    serving = asyncio.ensure_future(server.serve())
    try:
        yield connections
    finally:
        await server.end()
        await serving


class Client:
    """A connection by hand."""

    @classmethod
    async def to(cls, listening: socket.socket, sent: bytes = b"") -> Client:
        client = cls()
        client.reader, client.writer = await asyncio.open_connection(*listening.getsockname())
        client.writer.write(sent)
        return client

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def all(self) -> bytes:
        """What comes until the other side closes."""
        with contextlib.suppress(ConnectionError):
            return await asyncio.wait_for(self.reader.read(), PATIENCE)
        return b""

    async def answer(self) -> bytes:
        """One answer of a connection that stays open."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return head + await self.reader.readexactly(length)


async def nobody_left(connections: Connections) -> None:
    while len(connections):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def run(coroutine: Any) -> None:
    asyncio.run(coroutine)


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"", b""),
        (b"GET / HT", b"HTTP/1.1 408"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"HTTP/1.1 408"),
        (b"\r\n\r\n", b"HTTP/1.1 400"),
    ],
)
def test_a_head_that_does_not_come_is_not_waited_for(
    quick: None, listening: socket.socket, sent: bytes, answered: bytes
) -> None:
    async def story() -> None:
        async with served(listening) as connections:
            client = await Client.to(listening, sent)
            assert (await client.all()).startswith(answered)
            while len(connections):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    run(story())


def test_who_is_given_up_can_read_why_though_he_sends_on(
    quick: None, listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed at once, what is still on its way would take the answer along."""
    monkeypatch.setattr(http_server, "_LINGER_SECONDS", 3600.0)

    async def story() -> None:
        async with served(listening) as connections:
            client = await Client.to(listening, b"GET / HT")
            assert (await client.all()).startswith(b"HTTP/1.1 408")
            assert len(connections) == 1
            client.writer.write(b"x" * 100_000)
            await asyncio.wait_for(client.writer.drain(), PATIENCE)
            assert len(connections) == 1
            client.writer.close()
            await nobody_left(connections)

    run(story())


def test_nor_is_the_head_of_a_second_request(quick: None, listening: socket.socket) -> None:
    async def story() -> None:
        async with served(listening):
            client = await Client.to(listening, GET)
            assert b"hello" in await client.answer()
            client.writer.write(b"GET / HTTP/1.1\r\n")
            await client.all()

    run(story())


def test_a_head_that_drips_is_not_waited_for(quick: None, listening: socket.socket) -> None:
    async def story() -> None:
        async with served(listening):
            client = await Client.to(listening, b"GET / HTTP/1.1\r\n")
            answer = asyncio.ensure_future(client.all())
            while not answer.done():
                client.writer.write(b"X: 1\r\n")
                await asyncio.sleep(0.02)
            assert b"408" in answer.result()

    run(story())


@pytest.mark.parametrize("head", [b"Content-Length: 1000000", b"Transfer-Encoding: chunked"])
def test_a_body_that_drips_is_not_waited_for(
    quick: None, listening: socket.socket, head: bytes
) -> None:
    async def story() -> None:
        async with served(listening):
            client = await Client.to(listening, b"POST / HTTP/1.1\r\nHost: x\r\n" + head)
            client.writer.write(b"\r\n\r\n")
            answer = asyncio.ensure_future(client.all())
            while not answer.done():
                client.writer.write(b"1\r\nx\r\n" if b"chunked" in head else b"x")
                await asyncio.sleep(0.05)
            assert b"HTTP/1.1 408" in answer.result()

    run(story())


def test_a_body_that_comes_steadily_may_take_long(quick: None, listening: socket.socket) -> None:
    async def story() -> None:
        async with served(listening):
            client = await Client.to(
                listening, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n"
            )
            for _ in range(50):
                client.writer.write(b"x" * 1000)
                await asyncio.sleep(0.02)
            assert (await client.answer()).endswith(b"50000")

    run(story())


def test_a_body_after_its_answer_is_not_taken_for_ever(
    quick: None, listening: socket.socket
) -> None:
    async def story() -> None:
        async with served(listening):
            client = await Client.to(
                listening, b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
            )
            assert b"hello" in await client.answer()
            end = asyncio.ensure_future(client.all())
            while not end.done():
                client.writer.write(b"x")
                await asyncio.sleep(0.02)

    run(story())


def test_somebody_who_reads_nothing_is_let_go(quick: None, listening: socket.socket) -> None:
    async def story() -> None:
        async with served(listening) as connections:
            client = await Client.to(listening, b"GET /?big HTTP/1.1\r\nHost: x\r\n\r\n")
            await client.reader.readexactly(1)
            while len(connections):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            client.writer.close()

    run(story())


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"1" * 200_000,
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: 1\r\n" * 50_000 + b"\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01" + b"\0" * 100_000,
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"e" * 200_000,
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        + b"T: 1\r\n" * 100_000,
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"1\r\nx\r\n" * 20_000,
    ],
    ids=range(8),
)
def test_what_is_too_much_or_no_message_is_refused(listening: socket.socket, sent: bytes) -> None:
    async def story() -> None:
        async with served(listening):
            client = await Client.to(listening, sent)
            said = await client.all()
            assert said.startswith((b"HTTP/1.1 400", b"HTTP/1.1 4")) or not said
            assert b"hello" in await (await Client.to(listening, GET)).answer()

    run(story())


def test_ordinary_chunks_are_fine(listening: socket.socket) -> None:
    async def story() -> None:
        async with served(listening):
            client = await Client.to(
                listening,
                b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                + (b"800\r\n" + b"\n" * 0x800 + b"\r\n") * 2
                + (b"1000\r\n" + b"x" * 0x1000 + b"\r\n") * 5_000
                + b"0\r\n\r\n",
            )
            assert (await client.answer()).endswith(str(2 * 0x800 + 5_000 * 0x1000).encode())

    run(story())


def test_those_who_ask_for_nothing_make_room(listening: socket.socket) -> None:
    async def story() -> None:
        async with served(listening, most=20) as connections:
            held = [await Client.to(listening, b"GET / HTTP/1.1\r\nHo") for _ in range(300)]
            for _ in range(30):
                client = await Client.to(listening, GET)
                assert b"hello" in await client.answer()
                client.writer.close()
            assert len(connections) <= 25
            assert connections.is_crowded
            for client in held:
                client.writer.close()

    run(story())


def test_what_is_being_answered_is_not_broken_off_for_others(listening: socket.socket) -> None:
    async def story() -> None:
        async with served(listening, most=8):
            upload = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na"
            busy = [await Client.to(listening, upload) for _ in range(8)]
            while True:
                said = await (await Client.to(listening, GET)).all()
                if b"503" in said:
                    break
            head, _, body = said.partition(b"\r\n\r\n")
            assert b"\r\nRetry-After: 5" in head
            assert json.loads(body)["error"]["message_zh"]
            for client in busy:
                client.writer.write(b"b")
                assert (await client.answer()).endswith(b"2")

    run(story())


@pytest.mark.parametrize(("exempt", "is_bounded"), [("", True), ("127.0.0.0/8", False)])
def test_one_address_has_a_share_unless_it_speaks_for_many(
    listening: socket.socket, exempt: str, is_bounded: bool
) -> None:
    async def story() -> None:
        async with served(listening, of_address=4, exempt=exempt) as connections:
            held = [await Client.to(listening) for _ in range(30)]
            assert b"hello" in await (await Client.to(listening, GET)).answer()
            assert (len(connections) < 10) is is_bounded
            for client in held:
                client.writer.close()

    run(story())


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


@pytest.mark.parametrize(
    ("proxies", "seen"), [("", "127.0.0.1 http"), ("10.0.0.1", "127.0.0.1 http"),
                          ("127.0.0.0/8", "9.9.9.9 https")],
)  # fmt: skip
def test_who_asks_is_what_a_named_proxy_says_and_nobody_else(
    listening: socket.socket, proxies: str, seen: str
) -> None:
    async def who(request: Request) -> Response:
        assert request.client is not None
        return PlainTextResponse(f"{request.client.host} {request.url.scheme}")

    async def story() -> None:
        app = Starlette(routes=[Route("/", who)])
        server = Server(app, [listening], None, ServerSettings(trusted_proxies=proxies))
        serving = asyncio.ensure_future(server.serve())
        client = await Client.to(
            listening,
            b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 9.9.9.9\r\n"
            b"X-Forwarded-Proto: https\r\n\r\n",
        )
        assert (await client.answer()).endswith(b"\r\n" + seen.encode())
        client.writer.close()
        await server.stop_accepting()
        server.should_exit = server.force_exit = True
        await serving

    run(story())


def test_addresses_are_those_of_the_networks_named() -> None:
    some = AddressSet("10.0.0.0/8 192.168.1.7 ::1")
    assert "10.1.2.3" in some
    assert "::ffff:192.168.1.7" in some
    assert "::1" in some
    assert "192.168.1.8" not in some
    assert "nobody" not in some
    assert not AddressSet("")


UPGRADE = (
    b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


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


def test_whoever_is_at_the_handshake_of_tls_has_a_place_and_no_time(
    quick: None, listening: socket.socket, tmp_path: Path
) -> None:
    async def look() -> None:
        tls = self_made_certificate.context(tmp_path / "certificate.pem")
        async with served(listening, most=2, tls=tls) as connections:
            silent = [await Client.to(listening) for _ in range(3)]
            # The third had to find room; none gets any further.
            for one in silent:
                assert await one.all() == b""
                one.writer.close()
            await nobody_left(connections)
            trusting = ssl.create_default_context()
            trusting.check_hostname = False
            trusting.verify_mode = ssl.CERT_NONE
            reader, writer = await asyncio.open_connection(*listening.getsockname(), ssl=trusting)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
            assert len(connections) == 1
            writer.close()

    run(look())
