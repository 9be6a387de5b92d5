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
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from seacod.models import warmup

_KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}


class _Kept(StaticFiles):
    """Files that never change under their address."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        _, _, rest = path.partition("/")
        answer = await super().get_response(rest, scope)
        answer.headers.update(_KEPT)
        # The page draws what people typed as text; should that ever fail, it runs nothing.
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer


def mount(app: FastAPI) -> None:
    """Serve them below /ui/MARK/, the examples below /examples/."""
    app.mount("/ui", _Kept(directory=directory()))
    names = {example["file"] for example in warmup.examples()}

    @app.get("/examples/{name}", include_in_schema=False)
    async def example(name: str) -> Response:
        if name not in names:
            return Response(status_code=404)
        return FileResponse(warmup.EXAMPLES / name)


def directory() -> Path:
    """Where they lie; the package is installed unpacked."""
    with resources.as_file(resources.files("seacod.web").joinpath("static")) as path:
        return path


@cache
def mark() -> str:
    """Of the content of all of them."""
    digest = hashlib.sha256()
    for path in sorted(directory().rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(directory())).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
