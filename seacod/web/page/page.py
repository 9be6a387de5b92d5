"""The web page, drawn: what is served at `/`, and beside it.

The tabs are in `tabs/`, their scripts in `static/`. Gradio declares and themes it in a process of
its own (`gradio_page.py`), which is gone when somebody sees the page: no function of Gradio's is
used, so that nothing between browser and recognition is hidden in it; uploads are ours, an answer
comes on the connection that asked, and a page outlives the worker that served it. Header, tabs and
first screen are in the document (`document.py`), and nothing jumps.
"""

from __future__ import annotations

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from seacod.web import closing
from seacod.web.packed import Packed
from seacod.web.page import assets

_HTML, _CSS, _TEXT = (f"text/{kind}; charset=utf-8" for kind in ("html", "css", "plain"))
# The document asks for the theme with a mark of its content.
_KEPT, _ASKED_AGAIN = "public, max-age=31536000, immutable", "private, no-cache"
_METHODS = ("GET", "HEAD")


class Page:
    """The page as an application of its own; no loop, no thread and no process belongs to it.

    Args:
        document: HTML.
        theme: its style sheet.
    """

    def __init__(self, document: str, theme: str) -> None:
        self._answers = {
            "/": Packed(document.encode(), _HTML, _ASKED_AGAIN),
            "/theme.css": Packed(theme.encode(), _CSS, _KEPT),
            # What browsers ask of every site.
            "/favicon.ico": assets.icon(),
            "/robots.txt": Packed(b"User-agent: *\nDisallow:\n", _TEXT, _ASKED_AGAIN),
        }
        # Packed here, not by each worker at its start.
        assets.served()

    def mount(self, app: FastAPI) -> None:
        """Put it at `/` of an application that has its own routes already."""
        assets.mount(app)
        app.mount("/", self._answer)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": closing.POLICY})
        elif scope["type"] == "http":
            answer = self._answers.get(_path(scope))
            if answer is None:
                raise HTTPException(404)
            if scope["method"] not in _METHODS:
                raise HTTPException(405)
            await answer.answer(Headers(scope=scope))(scope, receive, send)


def _path(scope: Scope) -> str:
    """The path below the prefix of a proxy."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(root) :] or "/" if root and path.startswith(root) else path
