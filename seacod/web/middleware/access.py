"""Who may use the service: API keys of programs, logins of people. Off unless configured.

An ASGI application around ours, so that nothing behind it (page, API, uploads, Gradio's own routes)
can be forgotten. Health stays open: load balancers have no keys; and so does the login page.
"""

from __future__ import annotations

import base64
import hmac
from urllib.parse import quote

import structlog
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from seacod import routes
from seacod.config.access import AccessSettings, entries
from seacod.errors import SeacodError, Unauthorized
from seacod.system.credentials import hash_key
from seacod.system.net.addresses import AddressSet, counted
from seacod.web import closing
from seacod.web.logins.logins import Logins
from seacod.web.middleware.errors import answer_error

log = structlog.get_logger(__name__)

COOKIE = "seacod_session"
LOGIN, LOGOUT = "/login", "/logout"
_OPEN = ("/health", "/health/live", "/health/ready", "/favicon.ico")
_LONGEST_COOKIE = 200
_KEY_PROTOCOL = "openai-insecure-api-key."


class Access:
    """Lets requests in under the name of their key, login or session, and refuses all others.

    Args:
        app: the application behind it.
        settings: keys and users; with neither, everybody comes in.
        logins: knows passwords and sessions.
        root_path: prefix of a reverse proxy, empty for none.
    """

    def __init__(
        self, app: ASGIApp, settings: AccessSettings, logins: Logins, root_path: str
    ) -> None:
        self._app = app
        self._keys = entries(settings.api_keys)
        self._funasr_addresses = AddressSet(settings.funasr_addresses)
        self._logins = logins
        self._root = root_path
        self._open = (*_OPEN, *((LOGIN, LOGOUT) if logins.is_used else ()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_closed = bool(self._keys) or self._logins.is_used
        if (
            scope["type"] == "websocket"
            and self._path(scope) == routes.FUNASR_PROTOCOL
            and self._funasr_addresses
        ):
            # Its clients send no keys: who has none is known by where it comes from.
            is_closed = address_of(scope) not in self._funasr_addresses
        if not is_closed or scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if self._path(scope) in self._open:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            name = await self._name(HTTPConnection(scope))
        except SeacodError as error:
            await self._refuse(scope, receive, send, error)
            return
        if name is not None:
            scope.setdefault("state", {})["client"] = name
            await self._app(scope, receive, send)
            return
        log.info("not_let_in", path=scope["path"], client=address_of(scope))
        if self._logins.is_used and _is_navigation(scope, headers):
            await self._to_login(scope, receive, send)
            return
        await self._refuse(scope, receive, send, _unauthorized())

    def _path(self, scope: Scope) -> str:
        """The path as our routes have it, also where a proxy passes its prefix on."""
        path = str(scope["path"])
        is_below = self._root and path.startswith(f"{self._root}/")
        return path[len(self._root) :] if is_below else path

    async def _name(self, connection: HTTPConnection) -> str | None:
        """The name that belongs to what the request has; None when there is none, or it is wrong.

        Raises:
            TooManyLogins, QueueFull: a password that is not looked at.
        """
        headers = connection.headers
        if "x-api-key" in headers:
            return self._of_key(headers["x-api-key"].strip())
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self._of_key(given.strip())
        if kind.lower() == "basic":
            return await self._of_user(given.strip(), address_of(connection.scope))
        if kind:
            return None
        # How OpenAI's clients send it from a browser, whose WebSockets have no headers.
        for protocol in headers.get("sec-websocket-protocol", "").split(","):
            if protocol.strip().startswith(_KEY_PROTOCOL):
                return self._of_key(protocol.strip().removeprefix(_KEY_PROTOCOL))
        token = connection.cookies.get(COOKIE, "")
        name = self._logins.sessions.name(token) if len(token) < _LONGEST_COOKIE else None
        return f"user:{name}" if name is not None else None

    def _of_key(self, key: str) -> str | None:
        hashed = hash_key(key)
        found = None
        # All of them, always: the time taken says nothing about which.
        for name, known in self._keys:
            if hmac.compare_digest(hashed, known):
                found = f"key:{name}"
        return found

    async def _of_user(self, given: str, address: str) -> str | None:
        try:
            name, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        except ValueError:  # neither Base64 nor text; other letters than ASCII are neither
            return None
        if not self._logins.is_used:
            return None
        return f"user:{name}" if await self._logins.is_right(name, password, address) else None

    async def _to_login(self, scope: Scope, receive: Receive, send: Send) -> None:
        wanted = str(scope.get("raw_path", b"/").decode("latin-1"))
        query = scope.get("query_string", b"").decode("latin-1")
        target = self._root + self._path({"path": wanted}) + (f"?{query}" if query else "")
        to = f"{self._root}{LOGIN}?next={quote(target[:2000], safe='/')}"
        response = RedirectResponse(to, 303, {"Cache-Control": "no-store"})
        await response(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, error: SeacodError) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": closing.POLICY})
            return
        request = Request(scope, receive)
        response = answer_error(request, error)
        if error.http_status == 401:
            is_basic = self._logins.is_used and not _is_browser(request.headers)
            # A browser would show a dialog of its own, instead of our page.
            scheme = (
                'Basic realm="seacod", charset="UTF-8"' if is_basic else 'Bearer realm="seacod"'
            )
            response.headers["WWW-Authenticate"] = scheme
        await response(scope, receive, send)


def _unauthorized() -> Unauthorized:
    return Unauthorized(
        "this service asks who you are: send an API key (Authorization: Bearer KEY) or log in",
        "本服务需要身份验证：请提供 API 密钥（Authorization: Bearer KEY）或登录",
    )


def _is_browser(headers: Headers) -> bool:
    return "sec-fetch-mode" in headers or headers.get("user-agent", "").startswith("Mozilla/")


def _is_navigation(scope: Scope, headers: Headers) -> bool:
    """Whether a person waits for a page, not a script for an answer."""
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return False
    mode = headers.get("sec-fetch-mode")
    if mode is not None:
        return mode == "navigate"
    return _is_browser(headers) and "text/html" in headers.get("accept", "")


def address_of(scope: Scope) -> str:
    """Where a request comes from; empty where that is unknown."""
    return str((scope.get("client") or [""])[0])


def client_of(request: HTTPConnection) -> str:
    """The client of a request, by which turns are taken: the name behind a key or login, else the
    address, as it is counted."""
    named = getattr(request.state, "client", None)
    if named:
        return str(named)
    return counted(request.client.host) if request.client else "unknown"
