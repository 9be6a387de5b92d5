"""The port of FunASR's protocol: every WebSocket on it is one, whatever its path.

An ASGI application around the whole of ours, which stays behind the same access, names and limits;
`worker/application.py` puts it there where there is such a port. Page and API are not served on it.
"""

from __future__ import annotations

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from seacod.routes import FUNASR_PROTOCOL

# For load balancers.
_HEALTH = ("/health", "/health/live", "/health/ready")
# Read by people who open it in a browser, to have it trust the certificate.
_TEXT = (
    "This is the port of FunASR's WebSocket protocol. Since you see this, the connection works.\n"
    "这是 FunASR WebSocket 协议的端口。能看到本页说明连接正常，可返回客户端继续。\n"
)


class FunasrPort:
    """
    Args:
        app: the application behind it.
        ports: connections to these are FunASR's.
    """

    def __init__(self, app: ASGIApp, ports: frozenset[int]) -> None:
        self._app = app
        self._ports = ports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or (scope.get("server") or ("", 0))[1] not in self._ports:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            path = FUNASR_PROTOCOL
            there = {**scope, "path": path, "raw_path": path.encode(), "root_path": ""}
            await self._app(there, receive, send)
        elif scope["path"] in _HEALTH:
            await self._app(scope, receive, send)
        else:
            headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Cache-Control": "no-store"}
            await PlainTextResponse(_TEXT, 426, headers)(scope, receive, send)
