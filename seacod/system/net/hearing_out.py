"""Whoever still sends when the answer is known can read it: closing a connection on a client that
sends breaks it, and what was said goes with it.

An ASGI application around another (`http_server.py` puts it around every one): the answer is sent
at once, and the rest of the body read and dropped before it counts as over.
"""

from __future__ import annotations

import asyncio
import contextlib

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A client that goes on sending after its answer is heard for this long.
_HEAR_OUT_SECONDS = 20.0


class _IncomingBody:
    """The body of a request, and how far it was read.

    Args:
        receive: what it comes by.
        is_asked_for: the client sends nothing of it before somebody reads (Expect).
    """

    def __init__(self, receive: Receive, *, is_asked_for: bool) -> None:
        self._receive = receive
        self._waits = is_asked_for
        self.is_over = False

    async def receive(self) -> Message:
        self._waits = False
        message = await self._receive()
        self.is_over = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def hear_out(self) -> None:
        """Read and drop the rest, for as long as that is allowed."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._drop(), _HEAR_OUT_SECONDS)

    async def _drop(self) -> None:
        while not self._waits and not self.is_over:
            await self.receive()


def hearing_out(app: ASGIApp) -> ASGIApp:
    """The application, in which an answer that comes before its request is over can be read."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(headers := Headers(scope=scope)):
            await app(scope, receive, send)
            return
        waits = headers.get("expect", "").lower() == "100-continue"
        body = _IncomingBody(receive, is_asked_for=waits)

        async def tell(message: Message) -> None:
            is_end = message["type"] == "http.response.body" and not message.get("more_body")
            if is_end and not body.is_over:
                await send({**message, "more_body": True})
                await body.hear_out()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        await app(scope, body.receive, tell)

    return wrapped


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
