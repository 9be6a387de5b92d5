"""A server of ours on a socket, and clients that speak to it byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from seacod.system.net.addresses import AddressSet
from seacod.system.net.connections import Connections
from seacod.system.net.http_server import BoundedServer

PATIENCE = 120.0


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
