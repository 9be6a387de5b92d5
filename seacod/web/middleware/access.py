"""Who may use the service: API keys of programs, logins of people. Off unless configured.

An ASGI application around ours, so that nothing behind it (page, API, uploads, Gradio's own routes)
can be forgotten. Health stays open: load balancers have no keys. Passwords are checked on a thread,
and what was right once is remembered for a while (`seacod/system/credentials.py` says what it
costs).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import time
from collections import OrderedDict

import structlog
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from seacod.config.access import AccessSettings
from seacod.errors import Unauthorized
from seacod.system.credentials import hash_key, hash_password, is_password
from seacod.web.middleware.errors import answer

log = structlog.get_logger(__name__)

_OPEN = ("/health", "/health/live", "/health/ready", "/favicon.ico")
_REMEMBERED = 256
_REMEMBERED_SECONDS = 600.0
_NOBODY = hash_password("", b"nobody")


class Access:
    """Lets requests in under the name of their key or login, and refuses all others.

    Args:
        app: the application behind it.
        settings: keys and users; with neither, everybody comes in.
    """

    def __init__(self, app: ASGIApp, settings: AccessSettings) -> None:
        self._app = app
        self._keys = _entries(settings.api_keys)
        self._users = _entries(settings.users)
        self._right: OrderedDict[bytes, float] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_closed = bool(self._keys or self._users) and scope["type"] in ("http", "websocket")
        if not is_closed or scope["path"] in _OPEN:
            await self._app(scope, receive, send)
            return
        name = await self._name(Headers(scope=scope))
        if name is not None:
            scope.setdefault("state", {})["client"] = name
            await self._app(scope, receive, send)
            return
        log.info("not_let_in", path=scope["path"], client=(scope.get("client") or [""])[0])
        await self._refuse(scope, receive, send)

    async def _name(self, headers: Headers) -> str | None:
        """The name that belongs to these credentials; None when they are wrong."""
        if "x-api-key" in headers:
            return self._of_key(headers["x-api-key"].strip())
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self._of_key(given.strip())
        if kind.lower() == "basic":
            return await self._of_user(given.strip())
        return None

    def _of_key(self, key: str) -> str | None:
        hashed = hash_key(key)
        found = None
        # All of them, always: the time taken says nothing about which.
        for name, known in self._keys:
            if hmac.compare_digest(hashed, known):
                found = f"key:{name}"
        return found

    async def _of_user(self, given: str) -> str | None:
        try:
            name, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        known = dict(self._users).get(name)
        mark = hashlib.sha256(f"{known}\0{given}".encode()).digest()
        if known is not None and self._right.get(mark, 0.0) > time.monotonic():
            return f"user:{name}"
        # Somebody unknown costs the same time as a wrong password.
        is_right = await asyncio.to_thread(is_password, password, known or _NOBODY)
        if known is None or not is_right:
            return None
        self._right[mark] = time.monotonic() + _REMEMBERED_SECONDS
        while len(self._right) > _REMEMBERED:
            self._right.popitem(last=False)
        return f"user:{name}"

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        refused = Unauthorized(
            "this service asks who you are: send an API key (Authorization: Bearer KEY) or log in",
            "本服务需要身份验证：请提供 API 密钥（Authorization: Bearer KEY）或登录",
        )
        request = Request(scope, receive)
        response = answer(
            request, refused.http_status, refused.code, refused.message, refused.chinese
        )
        # A browser asks for name and password only when told so.
        scheme = 'Basic realm="seacod", charset="UTF-8"' if self._users else 'Bearer realm="seacod"'
        response.headers["WWW-Authenticate"] = scheme
        await response(scope, receive, send)


def client_of(request: HTTPConnection) -> str:
    """The client of a request, by which turns are taken: the name behind a key or login, else the
    address."""
    named = getattr(request.state, "client", None)
    if named:
        return str(named)
    return request.client.host if request.client else "unknown"


def _entries(text: str) -> list[tuple[str, str]]:
    return [(name, known) for name, _, known in (entry.partition(":") for entry in text.split())]
