"""Which addresses of Gradio's own application can be reached: the theme, and what browsers ask of
every site. The page itself is the document that `document.py` has drawn.

Gradio brings routes that take uploads, read files, run functions and keep connections open. The
page does its work through our API, so none of them is needed, and none is there.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seacod.web import closing
from seacod.web.packed import Packed

_THEME = "/theme.css"
_ADDRESSES = frozenset({"/", _THEME, "/favicon.ico", "/manifest.json", "/robots.txt"})
_METHODS = ("GET", "HEAD")
# The document asks for it with a mark of its content.
_KEPT = "public, max-age=31536000, immutable"


class GradioGuard:
    """Answers with the page, and passes on to Gradio only what belongs to it.

    Args:
        app: Gradio's application.
        page: the document at `/`.
    """

    def __init__(self, app: ASGIApp, page: Packed) -> None:
        self._app = GZipMiddleware(app)
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = _path(scope)
            if path not in _ADDRESSES:
                raise HTTPException(404)
            if scope["method"] not in _METHODS:
                raise HTTPException(405)
            if path == "/":
                await self._page.answer(Headers(scope=scope))(scope, receive, send)
                return
            if path == _THEME:
                send = _keeping(send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": closing.POLICY})
            return
        await self._app(scope, receive, send)


def _keeping(send: Send) -> Send:
    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Cache-Control"] = _KEPT
        await send(message)

    return tell


def _path(scope: Scope) -> str:
    """The path as the application behind the guard sees it."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(root) :] or "/" if root and path.startswith(root) else path
