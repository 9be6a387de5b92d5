"""Which addresses of Gradio's own application can be reached: those that draw the page.

Gradio brings routes that take uploads, read files, run functions and keep connections open. The
page does its work through our API, so none of them is needed, and none is there.
"""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from seacod.web import closing

_ADDRESSES = frozenset({"/", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt"})
_BELOW = ("/assets/", "/static/")
_METHODS = ("GET", "HEAD")


class GradioGuard:
    """Passes on to Gradio only requests that a browser needs to draw the page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = _path(scope)
            if path not in _ADDRESSES and not path.startswith(_BELOW):
                raise HTTPException(404)
            if scope["method"] not in _METHODS:
                raise HTTPException(405)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": closing.POLICY})
            return
        await self._app(scope, receive, send)


def _path(scope: Scope) -> str:
    """The path as the application behind the guard sees it."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(root) :] or "/" if root and path.startswith(root) else path
