"""Connections that the service makes because a client asks for it (`url=`, `callback_url`): only to
whom the configuration names, at an address that this name may have, without the environment's
proxies, never for ever. Redirects are answers like any other; nobody here follows them.

The name is looked up once, what was found is looked at, and the connection goes to just that: a
name that means something else a moment later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seacod.errors import BadRequest, HostNotAllowed, SourceUnreachable
from seacod.system.net.allowed_origins import PORTS, AllowedOrigin, AllowedOrigins, written
from seacod.system.processes.threads import on_thread
from seacod.system.text import given_text
from seacod.system.text.words import reason

if TYPE_CHECKING:
    import httpcore

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 30.0
_MOST_CHARACTERS = 2048
_AGENT = b"seacod"


@dataclass(frozen=True, slots=True)
class WebAddress:
    """An address of the web, in parts.

    Args:
        url: the whole, as it goes over the wire.
        scheme: http or https.
        host: without brackets, in small letters.
        port: given, or the usual one.
        path: with the query.
    """

    url: str
    scheme: str
    host: str
    port: int
    path: bytes

    @property
    def shown(self) -> str:
        """For people and logs: without the query, which may hold a token."""
        return self.url.partition("?")[0]


def read(url: str, field: str, base: WebAddress | None = None) -> WebAddress:
    """An address as a client wrote it.

    Args:
        url: the address.
        field: where it stood, for messages.
        base: what it may be relative to.

    Raises:
        BadRequest: it is none of http or https.
    """
    # Only where an address is read: whoever allows none needs no library for them.
    import httpx

    if len(url) > _MOST_CHARACTERS:
        raise BadRequest(
            f"{field}: this address has more than {_MOST_CHARACTERS} characters, which is the "
            "limit",
            f"{field}：地址超过 {_MOST_CHARACTERS} 个字符的上限",
        )
    try:
        parsed = httpx.URL(url.strip())
        if base is not None:
            parsed = httpx.URL(base.url).join(parsed)
        host, scheme = parsed.raw_host.decode("ascii").lower(), parsed.scheme
        port = PORTS.get(scheme, 0) if parsed.port is None else parsed.port
    except (httpx.InvalidURL, ValueError, TypeError):
        host, scheme, port = "", "", 0
    if not host or not 0 < port < 65536 or scheme not in PORTS:
        raise BadRequest(
            f"{field}: {url[:80]!r} is no address; it must begin with https:// or http:// and "
            "name a host",
            f"{field}：{url[:80]} 不是有效地址，应以 https:// 或 http:// 开头",
        )
    if parsed.userinfo:
        raise BadRequest(
            f"{field}: the address must not hold a user or a password",
            f"{field}：地址中不能包含用户名或密码",
        )
    parsed = parsed.copy_with(fragment=None)
    return WebAddress(str(parsed), scheme, host.rstrip("."), port, parsed.raw_path)


def allowed(target: WebAddress, hosts: AllowedOrigins, key: str) -> AllowedOrigin:
    """The entry of the configuration that lets us connect there.

    Args:
        target: where to.
        hosts: those of the setting.
        key: of the setting, for messages.

    Raises:
        HostNotAllowed: there is none.
    """
    entry = hosts.find(target.scheme, target.host, target.port)
    if entry is not None:
        return entry
    shown = written(target.scheme, target.host, target.port)
    if not hosts:
        raise HostNotAllowed(
            f"this service connects to no host for its clients; its operator can allow {shown} in "
            f"{key}",
            f"本服务未开放该功能；管理员可在 {key} 中允许 {shown}",
        )
    raise HostNotAllowed(
        f"this service may not connect to {shown}; its operator can add that to {key}",
        f"本服务不允许访问 {shown}；管理员可将其加入 {key}",
    )


@contextlib.asynccontextmanager
async def answer(
    method: str,
    target: WebAddress,
    entry: AllowedOrigin,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
) -> AsyncIterator[httpcore.Response]:
    """The response of a web server, whose body is not read yet.

    Args:
        method: GET or POST.
        target: where to.
        entry: what allows it.
        headers: besides the usual ones.
        body: what is sent.

    Raises:
        HostNotAllowed: the name leads to an address that it may not have.
        SourceUnreachable: there is no answer, or it broke off.
    """
    import httpcore

    sent = [
        (b"Host", _host_header(target)),
        (b"User-Agent", _AGENT),
        (b"Accept", b"*/*"),
        # The bytes as they are: nobody here unpacks anything.
        (b"Accept-Encoding", b"identity"),
        (b"Connection", b"close"),
        *((name.encode(), value.encode()) for name, value in headers),
    ]
    if method == "POST":
        sent.append((b"Content-Length", str(len(body)).encode()))
    url = httpcore.URL(
        scheme=target.scheme.encode(), host=target.host.encode(), port=target.port,
        target=target.path,
    )  # fmt: skip
    times = {"connect": CONNECT_SECONDS, "read": SILENCE_SECONDS, "write": SILENCE_SECONDS,
             "pool": CONNECT_SECONDS}  # fmt: skip
    tls = await asyncio.to_thread(_tls) if target.scheme == "https" else None
    try:
        async with (
            httpcore.AsyncConnectionPool(
                ssl_context=tls, max_connections=1, network_backend=_backend(entry)
            ) as pool,
            pool.stream(
                method, url, headers=sent, content=body, extensions={"timeout": times}
            ) as response,
        ):
            yield response
    except _failures() as error:
        raise _unreachable(target, error) from None


@functools.cache
def _tls() -> ssl.SSLContext:
    """Made once, since it reads all the certificates of the system. Blocking."""
    return ssl.create_default_context()


def _host_header(target: WebAddress) -> bytes:
    return written(target.scheme, target.host, target.port).partition("://")[2].encode()


def _backend(entry: AllowedOrigin) -> httpcore.AsyncNetworkBackend:
    import httpcore

    class Checked(httpcore.AnyIOBackend):
        """Connects to the addresses that the entry may have, one after the other."""

        async def connect_tcp(
            self,
            host: str,
            port: int,
            timeout: float | None = None,
            local_address: str | None = None,
            socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
        ) -> httpcore.AsyncNetworkStream:
            failure: Exception | None = None
            for address in await _looked_up(host, port, entry):
                try:
                    return await super().connect_tcp(
                        address, port, timeout, local_address, socket_options
                    )
                except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                    failure = error
            assert failure is not None
            raise failure

    return Checked()


async def _looked_up(host: str, port: int, entry: AllowedOrigin) -> list[str]:
    """The addresses of a host that it may have.

    Raises:
        HostNotAllowed: it has others only.
        SourceUnreachable: it has none.
    """
    try:
        # On a thread of its own: a name server that is silent keeps nobody else waiting.
        found = await on_thread(
            "seacod-resolve", lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
    except OSError as error:
        raise _no_host(host, error.strerror or str(error)) from None
    except UnicodeError:  # an empty label, or one that is too long
        raise _no_host(host, "no host can be called so") from None
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    fit = [one for one in addresses if entry.may_be_at(one)]
    if not fit:
        raise HostNotAllowed(
            f"{host[:80]} leads to {addresses[0]}, an address of this machine or of a private "
            f"network, which the entry {entry.host} of the configuration does not allow",
            f"{host[:80]} 指向本机或内网地址 {addresses[0]}，配置项 {entry.host} 不允许访问",
        )
    return fit


def _no_host(host: str, why: str) -> SourceUnreachable:
    return SourceUnreachable(f"there is no host {host[:80]} ({why})", f"找不到主机 {host[:80]}")


def _failures() -> tuple[type[Exception], ...]:
    import httpcore

    # No OSError: those of sockets come as NetworkError, others are of whoever reads the answer.
    return (
        httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, ssl.SSLError,
    )  # fmt: skip


def _unreachable(target: WebAddress, error: Exception) -> SourceUnreachable:
    import httpcore

    shown = target.shown[:200]
    if isinstance(error, httpcore.TimeoutException):
        seconds = CONNECT_SECONDS if isinstance(error, httpcore.ConnectTimeout) else SILENCE_SECONDS
        return SourceUnreachable(
            f"{shown}: nothing came for {seconds:g} s", f"{shown}：{seconds:g} 秒内没有响应"
        )
    # What answers there may say anything.
    words = given_text.one_line(str(error), 200) or type(error).__name__
    return SourceUnreachable(
        f"{shown}: no answer ({words})", f"{shown}：无法访问（{reason(error)[1]}）"
    )
