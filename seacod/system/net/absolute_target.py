"""Requests that name their whole address (`GET http://HOST/PATH`), as clients of a proxy send them:
they mean the same as `GET /PATH` with that host (RFC 9112, 3.2.2), and every server takes them."""

from __future__ import annotations

from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

_SCHEMES = (b"http://", b"https://")


def taking_whole_addresses(app: ASGIApp) -> ASGIApp:
    """The application, for which every request has a path and a host."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            raw = scope.get("raw_path") or b""
            scheme = next((one for one in _SCHEMES if raw[:8].lower().startswith(one)), None)
            if scheme is not None:
                scope = _with_path(scope, raw[len(scheme) :])
        await app(scope, receive, send)

    return wrapped


def _with_path(scope: Scope, address: bytes) -> Scope:
    host, _, rest = address.partition(b"/")
    raw = b"/" + rest
    # Host has to be passed over then, whatever it says.
    headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
    return {
        **scope,
        "raw_path": raw,
        "path": unquote(raw.decode("ascii")),
        "headers": [(b"host", host), *headers],
    }
