"""POSTs JSON to a webhook, on a thread of its own; no channel itself.

The address holds a token, so it is in no sentence of this file, nor is what an exception says.
Redirects are not followed: who takes the message is who the operator named.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

from seacod.alerts.channels.base import Channel, Undelivered
from seacod.system.net.proxies import Proxy, proxy_for
from seacod.system.processes.threads import on_thread
from seacod.system.text.words import Words, reason

# From the look-up of the name to the last byte; a receiver that drips gets no more.
_TIMEOUT_SECONDS = 20.0
_READ_BYTES = 4096
_SHOWN = 300
# The address or the token has to be mended.
_IS_OURS = (400, 401, 403, 404, 410)


async def post(url: str, body: dict[str, Any]) -> tuple[int, str]:
    """Status and the beginning of the answer.

    Raises:
        Undelivered: the address is none, no answer, or a status that is no success.
    """
    if (wrong := problem(url)) is not None:
        raise Undelivered(*wrong, is_ours=True)
    proxy = proxy_for(url)
    if proxy is not None and proxy.problem:
        raise Undelivered(*proxy.problem, is_ours=True)
    call = _Post(url, body, proxy)
    try:
        return await asyncio.wait_for(on_thread("seacod-post", call.run), _TIMEOUT_SECONDS)
    except asyncio.TimeoutError:
        raise Undelivered(
            f"no whole answer within {_TIMEOUT_SECONDS:g} s",
            f"{_TIMEOUT_SECONDS:g} 秒内没有完整的响应",
        ) from None
    finally:
        call.cut()


def problem(url: str) -> Words | None:
    """What is wrong with an address, without saying it; None when it is one."""
    try:
        parts = urllib.parse.urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        is_address = False
    if not is_address:
        return (
            "this is no address of a web server (http:// or https://, host, path)",
            "不是网址（应为 http:// 或 https:// 加主机与路径）",
        )
    if not (url.isascii() and url.isprintable()) or " " in url or "\\" in url:
        return (
            "there is a blank or another letter that no address may have; write it as %20 or so",
            "网址中有空格或不允许的字符；请写成 %20 这样的形式",
        )
    return None


def problems(channel: Channel[Any], key: str) -> Iterator[tuple[str, Words]]:
    """What `seacod config check` says of the file with such an address."""
    with contextlib.suppress(Undelivered):  # said of every secret
        url = channel.secret(key)
        if url is not None and (wrong := problem(url)) is not None:
            yield key, wrong


class _Post:
    """One POST, which another thread may cut off.

    Args:
        url: where to.
        body: JSON.
        proxy: by which; None for none.
    """

    def __init__(self, url: str, body: dict[str, Any], proxy: Proxy | None) -> None:
        self._proxies = {} if proxy is None else {url.partition("://")[0].lower(): proxy.url}
        self._request = urllib.request.Request(  # noqa: S310  # `problem` has seen its scheme
            url,
            data=json.dumps(body, ensure_ascii=False).encode(),
            headers={
                "Content-Type": "application/json; charset=utf-8",
                "Accept-Encoding": "identity",
                "User-Agent": "seacod",
            },
        )
        self._sockets: list[socket.socket] = []
        self._is_cut = False

    def run(self) -> tuple[int, str]:
        """On the thread.

        Raises:
            Undelivered: as `post`.
        """
        try:
            with _opener(self, self._proxies).open(
                self._request, timeout=_TIMEOUT_SECONDS
            ) as answer:
                return answer.status, _text(answer)
        except urllib.error.HTTPError as error:
            with contextlib.closing(error):
                raise _refused(error) from None
        except Exception as error:
            raise _failed(error) from None
        finally:
            self.cut()

    def connected(self, one: socket.socket) -> None:
        """A connection was made; what is kept of it cuts it off whatever TLS makes of it."""
        self._sockets.append(socket.socket(fileno=os.dup(one.fileno())))
        if self._is_cut:
            self.cut()

    def cut(self) -> None:
        """End it, if it goes on: whoever reads from the connection finds its end."""
        self._is_cut = True
        while self._sockets:
            with self._sockets.pop() as one, contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class _AbortableConnection(http.client.HTTPConnection):
    call: _Post

    def connect(self) -> None:
        super().connect()
        self.call.connected(self.sock)


class _SecureConnection(http.client.HTTPSConnection, _AbortableConnection):
    """`connect` of the first calls that of the second, before TLS begins."""


class _Plain(urllib.request.HTTPHandler):
    def __init__(self, call: _Post) -> None:
        super().__init__()
        self._call = call

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, req)

    def _connection(self, host: str, **options: Any) -> _AbortableConnection:
        made = _AbortableConnection(host, **options)
        made.call = self._call
        return made


class _Secure(urllib.request.HTTPSHandler):
    def __init__(self, call: _Post) -> None:
        super().__init__()
        self._call = call

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, req)

    def _connection(self, host: str, **options: Any) -> _SecureConnection:
        made = _SecureConnection(host, context=ssl.create_default_context(), **options)
        made.call = self._call
        return made


def _opener(call: _Post, proxies: dict[str, str]) -> urllib.request.OpenerDirector:
    """HTTP and HTTPS, by the given proxies; no files, no redirects."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(proxies),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Plain(call),
        _Secure(call),
    ):
        opener.add_handler(handler)
    return opener


def _refused(error: urllib.error.HTTPError) -> Undelivered:
    """A status that is no success."""
    if 300 <= error.code < 400:
        return Undelivered(
            f"{error.code}: the address leads elsewhere, which is not followed; "
            "write the one where it ends",
            f"{error.code}：该地址会跳转，不予跟随；请填写最终地址",
            is_ours=True,
        )
    try:
        said = _text(error)
    except Exception:
        said = "(its words do not come to an end)"
    return Undelivered(f"{error.code}: {said}", is_ours=error.code in _IS_OURS)


def _failed(error: Exception) -> Undelivered:
    """No answer that can be read: in words of ours, by the kind of the exception."""
    inner = getattr(error, "reason", None)
    if isinstance(inner, Exception):
        error = inner
    if isinstance(error, TimeoutError):
        return Undelivered(
            f"no answer within {_TIMEOUT_SECONDS:g} s", f"{_TIMEOUT_SECONDS:g} 秒内没有响应"
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return Undelivered(
            f"its certificate: {error.verify_message}",
            f"证书无效：{error.verify_message}",
            is_ours=True,
        )
    if isinstance(error, ssl.SSLError):
        return Undelivered(
            f"no TLS there ({error.reason})", f"对方不支持 TLS（{error.reason}）", is_ours=True
        )
    if isinstance(error, http.client.RemoteDisconnected):
        return Undelivered("it hung up without an answer", "对方未应答就断开了连接")
    if isinstance(error, (http.client.HTTPException, ValueError)):
        return Undelivered(
            f"what answers there does not speak HTTP ({type(error).__name__})",
            f"应答者不是 HTTP 服务（{type(error).__name__}）",
            is_ours=True,
        )
    if isinstance(error, OSError) and error.strerror:
        return Undelivered(*reason(error))
    return Undelivered(f"no answer ({type(error).__name__})", f"没有响应（{type(error).__name__}）")


def _text(answer: Any) -> str:
    said: str = answer.read(_READ_BYTES).decode("utf-8", "replace")
    return said[:_SHOWN]
