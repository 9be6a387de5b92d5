"""What a client may use, and whether anything new is taken at all: asked before a recording is
read, on every way one can come in."""

from __future__ import annotations

import json
from collections.abc import Callable

from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from seacod.errors import Paused, QuotaUsed, SeacodError
from seacod.web import closing
from seacod.web.middleware.access import client_of
from seacod.web.middleware.errors import answer, said

# What `admit` may raise.
REFUSALS = (QuotaUsed, Paused)
# The ends of the addresses that take recordings and microphones, whatever prefix a proxy leaves;
# the metrics call them so, too. Of FunASR's protocol each utterance is asked for, where it is read.
_RECORDINGS = ("/batch_transcribe", "/v1/audio/transcriptions", "/transcribe")
_MICROPHONES = ("/v1/realtime", "/live")


class QuotaGate:
    """
    Args:
        app: the application behind it; `Access` is in front and says who asks.
        admit: raises one of `REFUSALS` for a client that may send nothing more now.
        refused: told the client, the route and the error.
    """

    def __init__(
        self,
        app: ASGIApp,
        admit: Callable[[str], None],
        refused: Callable[[str, str, SeacodError], None],
    ) -> None:
        self._app = app
        self._admit = admit
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = route_of(scope)
        if route is not None:
            client = client_of(HTTPConnection(scope))
            try:
                self._admit(client)
            except REFUSALS as error:
                self._refused(client, route, error)
                await _refuse(scope, receive, send, error)
                return
        await self._app(scope, receive, send)


def route_of(scope: Scope) -> str | None:
    """The route of the metrics, where a recording is about to come."""
    if scope["type"] == "websocket":
        routes: tuple[str, ...] = _MICROPHONES
    elif scope["type"] == "http" and scope["method"] == "POST":
        routes = _RECORDINGS
    else:
        return None
    return next((route for route in routes if str(scope["path"]).endswith(route)), None)


async def _refuse(scope: Scope, receive: Receive, send: Send, error: SeacodError) -> None:
    if scope["type"] == "websocket":
        # Accepted first: a browser's script learns nothing of a handshake that was refused.
        told = {"type": "error", **said(error, "")}
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": json.dumps(told, ensure_ascii=False)})
        code = closing.TRY_LATER if isinstance(error, Paused) else closing.POLICY
        await send({"type": "websocket.close", "code": code})
        return
    response = answer(
        Request(scope, receive), error.http_status, error.code, error.message, error.chinese,
        retry_after_seconds=error.retry_after_seconds,
    )  # fmt: skip
    await response(scope, receive, send)
