"""Our own scripts, styles and example recordings, served for the page.

The scripts are one file (`bundle.py`), the style sheets, too; everything else below `static/` is
what it is. Their address has a mark of their content in it, so browsers keep them for good and
fetch them anew after an upgrade. Any mark is answered: a page that was open before finds what it
needs; but what is kept for good has its own mark.
"""

from __future__ import annotations

import hashlib
import mimetypes
from functools import cache
from importlib import resources
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from seacod.models.examples import EXAMPLES, examples
from seacod.web.packed import Packed
from seacod.web.page import bundle
from seacod.web.page.tabs.registry import all_tabs

SCRIPT, STYLE = "main.js", "page.css"
_KEPT = "public, max-age=31536000, immutable"
_ASKED_AGAIN = "no-cache"


def mount(app: FastAPI) -> None:
    """Serve scripts and styles below /ui/MARK/, the example recordings below /examples/.

    Routes over the names that there are, not a directory: nothing else can be asked for, and a path
    prefix of a proxy does not get in the way.
    """
    ours = served()
    shipped = {one["file"]: EXAMPLES / one["file"] for one in examples()}

    ours_mark = mark()

    @app.api_route("/ui/{asked}/{name:path}", methods=["GET", "HEAD"], include_in_schema=False)
    async def file(request: Request, asked: str, name: str) -> Response:
        if name not in ours:
            raise HTTPException(404)
        answer = ours[name].answer(request.headers)
        # Another release's address: its content is not what that release has there.
        if asked != ours_mark:
            answer.headers["Cache-Control"] = _ASKED_AGAIN
        return answer

    @app.api_route("/examples/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    async def example(name: str) -> Response:
        if name not in shipped:
            raise HTTPException(404)
        return FileResponse(shipped[name])


@cache
def served() -> dict[str, Packed]:
    """What is served: name → content. Made once, for all workers of a nursery."""
    return {name: Packed(body, _type(name), _KEPT) for name, body in _contents().items()}


@cache
def _contents() -> dict[str, bytes]:
    files = {path.relative_to(directory()).as_posix(): path.read_bytes() for path in _files()}
    modules = {name: body.decode() for name, body in files.items() if name.endswith(".js")}
    # Ours, whatever room they are in; those of vendor/ belong to what is there.
    styles = [
        name for name in files if name.endswith(".css") and not name.startswith(bundle.VENDOR)
    ]
    styles.sort(key=lambda name: (name != STYLE, name))
    tabs = [f"{tab.script}.js" for tab in all_tabs() if tab.script]
    files[SCRIPT] = bundle.bundle(modules, SCRIPT, tabs).encode()
    files[STYLE] = b"\n".join(files[name] for name in styles)
    return files


def icon() -> Packed:
    """For browsers that ask for one without having read the page."""
    return Packed(_contents()["favicon.svg"], _type("favicon.svg"), _ASKED_AGAIN)


def _type(name: str) -> str:
    guessed = mimetypes.guess_type(name)[0] or "text/plain"
    return f"{guessed}; charset=utf-8" if guessed.startswith("text/") else guessed


def _files() -> list[Path]:
    return sorted(path for path in directory().rglob("*") if path.is_file())


def directory() -> Path:
    """The directory of the scripts and styles; the package is installed unpacked."""
    with resources.as_file(resources.files("seacod.web.page").joinpath("static")) as path:
        return path


@cache
def mark() -> str:
    """A mark of the content of all these files, for their address."""
    digest = hashlib.sha256()
    for name, body in sorted(_contents().items()):
        digest.update(name.encode() + b"\0" + body)
    return digest.hexdigest()[:12]
