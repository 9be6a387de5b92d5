"""The server under our sockets: who sends nothing, too slowly or too much of nothing loses its
connection, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from by_hand import PATIENCE, Client, nobody_left, run, served
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from websockets.asyncio.client import connect

from seacod.config.server import ServerSettings
from seacod.system.net import http_server, self_made_certificate
from seacod.system.net.addresses import AddressSet
from seacod.worker.serving import Server

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """All limits of time are short."""
    monkeypatch.setattr(http_server, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(http_server, "_BODY_LOOK_SECONDS", 0.3)
    monkeypatch.setattr(http_server, "_WRITE_SECONDS", 0.3)


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


@pytest.mark.parametrize(
    ("sent", "status", "kind"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400, "invalid_request_error"),
        (b"GET /\xe5\x95\x8a HTTP/1.1\r\nHost: x\r\n\r\n", 400, "invalid_request_error"),
        (b"GET /" + b"a" * 70_000, 400, "invalid_request_error"),
        (b"GET / HT", 408, "invalid_request_error"),
    ],
)
def test_what_no_application_hears_of_is_answered_like_everything_else(
    quick: None, listening: socket.socket, sent: bytes, status: int, kind: str
) -> None:
    async def story() -> None:
        async with served(listening):
            head, _, body = (await (await Client.to(listening, sent)).all()).partition(b"\r\n\r\n")
            told = json.loads(body)["error"]
            assert head.startswith(b"HTTP/1.1 %d " % status)
            assert f"X-Request-ID: {told['request_id']}" in head.decode()
            assert (told["type"], bool(told["code"])) == (kind, True)
            assert "请求" in told["message_zh"]
            assert told["message"].isascii()

    run(story())


def test_a_whole_address_is_its_path_and_its_host(listening: socket.socket) -> None:
    """As clients of a proxy ask; what the header Host says does not count then."""
    seen: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await PlainTextResponse("heard")(scope, receive, send)

    async def story() -> None:
        async with served(listening, app=app):
            for address in (b"http://a.example:7860/p%20q?r=1", b"HTTPS://a.example"):
                client = await Client.to(
                    listening, b"GET " + address + b" HTTP/1.1\r\nHost: other\r\n\r\n"
                )
                await client.answer()

    run(story())
    told = [(one["path"], one["query_string"], dict(one["headers"])[b"host"]) for one in seen]
    assert told == [
        ("/p q", b"r=1", b"a.example:7860"),
        ("/", b"", b"a.example"),
    ]


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


def test_connections_that_were_answered_and_stay_open_make_room(
    listening: socket.socket,
) -> None:
    async def story() -> None:
        async with served(listening, most=8) as connections:
            held = [await Client.to(listening, GET) for _ in range(8)]
            for client in held:
                assert b"hello" in await client.answer()
            for _ in range(8):
                held.append(await Client.to(listening, GET))
                assert b"hello" in await held[-1].answer()
            # Those that were idle for longest are gone.
            assert await held[0].all() == b""
            assert len(connections) <= 9
            for client in held:
                client.writer.close()

    run(story())


def test_an_upload_that_waits_for_the_service_is_not_broken_off(
    quick: None, listening: socket.socket
) -> None:
    may_read = asyncio.Event()

    async def late(request: Request) -> Response:
        await may_read.wait()
        return PlainTextResponse(str(len(await request.body())))

    async def story() -> None:
        app = Starlette(routes=[Route("/", late, methods=["POST"])])
        size = 4 << 20
        async with served(listening, app=app):
            head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
            # More than is taken before anybody reads it.
            client = await Client.to(listening, head.encode() + bytes(size // 2))
            # Several looks at how fast it comes.
            await asyncio.sleep(1.5)
            may_read.set()
            client.writer.write(bytes(size // 2))
            assert (await client.answer()).endswith(str(size).encode())

    run(story())


def test_an_open_microphone_is_not_closed_to_make_room(listening: socket.socket) -> None:
    async def story() -> None:
        address, port = listening.getsockname()
        async with (
            served(listening, most=4),
            connect(f"ws://{address}:{port}/echo", proxy=None) as microphone,
        ):
            # Each of these would rather find room than wait.
            held = [await Client.to(listening, b"GET / HTTP/1.1\r\nHo") for _ in range(30)]
            assert b"hello" in await (await Client.to(listening, GET)).answer()
            await microphone.send("still here")
            assert await microphone.recv() == "still here"
            for client in held:
                client.writer.close()

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
