"""Our own scripts, styles and example recordings, served for the page.

Their address has a mark of their content in it, so browsers keep them for good and fetch them anew
after an upgrade. Any mark is answered: a page that was open before finds what it still needs.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from seacod.models.examples import EXAMPLES, examples

_KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}


def mount(app: FastAPI) -> None:
    """Serve scripts and styles below /ui/MARK/, the example recordings below /examples/.

    Routes over the names that there are, not a directory: nothing else can be asked for, and a path
    prefix of a proxy does not get in the way.
    """
    ours = {str(path.relative_to(directory())): path for path in _files()}
    shipped = {one["file"]: EXAMPLES / one["file"] for one in examples()}

    @app.api_route("/ui/{mark}/{name:path}", methods=["GET", "HEAD"], include_in_schema=False)
    async def file(mark: str, name: str) -> Response:
        return _answer(ours.get(name), _KEPT)

    @app.api_route("/examples/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    async def example(name: str) -> Response:
        return _answer(shipped.get(name), {})


def _answer(path: Path | None, headers: dict[str, str]) -> Response:
    if path is None:
        raise HTTPException(404)
    # The page draws what people typed as text; should that ever fail, it runs nothing.
    return FileResponse(path, headers={**headers, "X-Content-Type-Options": "nosniff"})


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
    for path in _files():
        digest.update(str(path.relative_to(directory())).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
