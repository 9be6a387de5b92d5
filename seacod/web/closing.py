"""How a WebSocket is ended from our side: which code, and that it may be closed already, whenever
something is said.

https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1 and IANA's registry beside it.
"""

from __future__ import annotations

import contextlib

from starlette.websockets import WebSocket, WebSocketDisconnect

from seacod.errors import ClientGone, NotReady, SeacodError

NORMAL, POLICY, BROKE, SERVICE_RESTART, TRY_LATER = 1000, 1008, 1011, 1012, 1013


class Moved(NotReady):
    """The worker is being replaced; another one goes on."""


def code(error: SeacodError) -> int:
    """What tells a client how to take the end that this error is."""
    if isinstance(error, Moved):
        return SERVICE_RESTART
    if error.http_status in (429, 503):
        return TRY_LATER
    return BROKE if error.http_status >= 500 else POLICY


async def tell(socket: WebSocket, text: str) -> None:
    """Send a message.

    Raises:
        ClientGone: the client went away.
    """
    try:
        await socket.send_text(text)
    except (WebSocketDisconnect, RuntimeError):
        # The second: it was closed a moment ago.
        raise ClientGone("the client went away", "客户端已断开连接") from None


async def close(socket: WebSocket, number: int, reason: str | None = None) -> None:
    """Close it, unless the client has done so."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        await socket.close(number, reason)
