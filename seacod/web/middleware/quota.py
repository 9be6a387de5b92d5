"""What a client may use, and whether anything new is taken at all: asked before a recording is
read, on every way one can come in."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from seacod.errors import Paused, QuotaUsed, SeacodError
from seacod.routes import Carries, carrying
from seacod.web.middleware.access import client_of
from seacod.web.middleware.errors import refuse

# What `admit` may raise.
REFUSALS = (QuotaUsed, Paused)
# The ends of the addresses, whatever prefix a proxy leaves.
_RECORDINGS = carrying(Carries.RECORDING)
_MICROPHONES = carrying(Carries.MICROPHONE)


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
                await refuse(scope, receive, send, error)
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
