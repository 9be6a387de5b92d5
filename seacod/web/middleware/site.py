"""Keeps pages of other sites out: the names the service answers to, and whose pages may change
anything. In front of every route, logins included; `app.py` puts it there.

A browser sends what any page asks it to, with the user's login and from the user's network. It says
where the page is from (`Origin`, `Sec-Fetch-Site`), and programs say nothing of the kind. A page
that has made its own name mean our address (DNS rebinding) is found out by the name (`Host`).
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from seacod.config.access import AccessSettings
from seacod.config.server import ServerSettings
from seacod.errors import ForeignPage, SeacodError, WrongHost
from seacod.web.middleware.errors import refuse

log = structlog.get_logger(__name__)

_SAFE = ("GET", "HEAD", "OPTIONS")
# Load balancers ask by whatever name they have for us, and learn nothing else.
_FOR_ALL = ("/health", "/health/live", "/health/ready")


class SiteGuard:
    """
    Args:
        app: the application behind it.
        server: names by which people reach the service.
        access: whose pages may use it besides our own.
    """

    def __init__(self, app: ASGIApp, server: ServerSettings, access: AccessSettings) -> None:
        self._app = app
        self._hosts = AllowedHosts(server.allowed_hosts.lower().split())
        self._origins = frozenset(access.cors_origins.split())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope, Headers(scope=scope))
        except SeacodError as error:
            log.info("foreign_request", path=scope["path"], code=error.code, said=error.message)
            await refuse(scope, receive, send, error)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope, headers: Headers) -> None:
        """
        Raises:
            WrongHost, ForeignPage: the request is none of ours.
        """
        host = headers.get("host", "")
        path = str(scope["path"]).removeprefix(str(scope.get("root_path", "")))
        if path not in _FOR_ALL and not self._hosts.has(host):
            raise WrongHost(
                f"this service does not answer to the name {host[:80]!r}; its operator can add the "
                "name to server.allowed_hosts",
                f"本服务不接受域名 {host[:80]} 的请求；管理员可将其加入 server.allowed_hosts",
            )
        if (
            scope["type"] == "websocket"
            or scope["method"] not in _SAFE
            or _is_preflight(scope, headers)
        ):
            self._check_page(host, headers)

    def _check_page(self, host: str, headers: Headers) -> None:
        if "*" in self._origins:
            return
        origin = headers.get("origin")
        if origin is None:
            if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
                return
        elif origin in self._origins or _netloc(origin) == host.lower() != "":
            return
        raise ForeignPage(
            "this page does not belong to the service; the operator can allow its address in "
            "access.cors_origins (a proxy has to pass on the header Host)",
            "该页面来源未被允许，请管理员设置 access.cors_origins；反向代理需传递 Host 请求头",
        )


def _netloc(origin: str) -> str:
    """The address in an origin; empty where it is none, such as `null` or `http://[`."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    """Whether a browser asks what a page of another origin may do: a clear no is better than
    whatever the routes would say, and it comes without a key."""
    return scope["method"] == "OPTIONS" and "access-control-request-method" in headers


class AllowedHosts:
    """The names we answer to: this machine's, every address, and what is configured.

    Args:
        configured: names, `*.example.com` for all below one, `*` for any.
    """

    def __init__(self, configured: list[str]) -> None:
        own = socket.gethostname().lower()
        short = own.partition(".")[0]
        self._names = {"localhost", own, short, f"{short}.local", *configured}
        self._below = (".localhost", *(one[1:] for one in configured if one.startswith("*.")))
        self._is_any = "*" in configured

    def has(self, host: str) -> bool:
        """Whether a header `Host` names us; without one (HTTP/1.0) nobody was misled."""
        if self._is_any or not host:
            return True
        name = _without_port(host.lower()).rstrip(".")
        with contextlib.suppress(ValueError):
            # Rebinding needs a name: no page is from an address it does not have.
            ipaddress.ip_address(name.strip("[]"))
            return True
        return name in self._names or host.lower() in self._names or name.endswith(self._below)


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and not name.endswith(":") else host
