"""Whoever still sends when he is refused can read why, and nobody is heard out for ever."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from by_hand import PATIENCE, Client, nobody_left, run, served
from starlette.responses import PlainTextResponse

from seacod.system.net import hearing_out

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
# Less than anybody is heard out for.
AT_ONCE = hearing_out._HEAR_OUT_SECONDS / 2


async def refuses(scope: Any, receive: Any, send: Any) -> None:
    """Reads what it is told to of the body, then says no."""
    for _ in range(int(scope["query_string"])):
        await receive()
    await PlainTextResponse("no, because", 403)(scope, receive, send)


@pytest.mark.parametrize("head", [b"Content-Length: 52428800", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("connection", [b"close", b"keep-alive"])
@pytest.mark.parametrize("read", [0, 2])
def test_who_sends_a_long_body_and_only_then_reads_hears_why_it_was_refused(
    listening: socket.socket, head: bytes, connection: bytes, read: int
) -> None:
    """As programs do; closed on it, the connection would break and take the answer along."""

    async def story() -> None:
        async with served(listening, app=refuses) as connections:
            client = await Client.to(
                listening,
                b"POST /?%d HTTP/1.1\r\nHost: x\r\n%s\r\n" % (read, head)
                + b"Connection: %s\r\n\r\n" % connection,
            )
            piece = bytes(1 << 20)
            for _ in range(50):
                if b"chunked" in head:
                    client.writer.write(b"100000\r\n" + piece + b"\r\n")
                else:
                    client.writer.write(piece)
                await asyncio.wait_for(client.writer.drain(), PATIENCE)
            if b"chunked" in head:
                client.writer.write(b"0\r\n\r\n")
            assert (await client.answer()).endswith(b"no, because")
            if connection == b"keep-alive":
                client.writer.write(GET.replace(b"/ ", b"/?0 "))
                assert (await client.answer()).endswith(b"no, because")
            client.writer.close()
            await nobody_left(connections)

    run(story())


def test_the_answer_comes_before_the_body_is_over(listening: socket.socket) -> None:
    """Whoever looks for it meanwhile, as curl does, saves the rest."""

    async def story() -> None:
        async with served(listening, app=refuses) as connections:
            client = await Client.to(
                listening, b"POST /?0 HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\nx"
            )
            assert (await asyncio.wait_for(client.answer(), AT_ONCE)).endswith(b"no, because")
            client.writer.close()
            await nobody_left(connections)

    run(story())


def test_who_waits_for_our_word_before_the_body_is_not_waited_for(
    listening: socket.socket,
) -> None:
    async def story() -> None:
        async with served(listening, app=refuses):
            client = await Client.to(
                listening,
                b"POST /?0 HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n"
                b"Connection: close\r\nExpect: 100-continue\r\n\r\n",
            )
            answer = await asyncio.wait_for(client.all(), AT_ONCE)
            assert answer.startswith(b"HTTP/1.1 403")
            assert answer.endswith(b"no, because")

    run(story())


def test_who_does_not_end_is_not_heard_out_for_ever(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing_out, "_HEAR_OUT_SECONDS", 0.3)

    async def story() -> None:
        async with served(listening, app=refuses) as connections:
            for sent in (b"x" * 100, b""):
                client = await Client.to(
                    listening,
                    b"POST /?0 HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n"
                    b"Connection: close\r\n\r\n" + sent,
                )
                assert (await client.answer()).endswith(b"no, because")
                await client.all()
            await nobody_left(connections)

    run(story())
