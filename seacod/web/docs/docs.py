"""`/docs`: Swagger UI over /openapi.json. FastAPI's own page would load its scripts from the
internet; these come with the package (`static/README`)."""

from __future__ import annotations

import gzip
from functools import cache
from importlib import resources

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from seacod import __version__
from seacod.web.packed import Packed

_KEPT = f"public, max-age={7 * 24 * 3600}"
_TYPES = {
    "start.js": "text/javascript; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
}
_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>seacod API · 接口文档</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css?v={__version__}">
</head>
<body>
<noscript>This page needs JavaScript; the description itself is at
<a href="openapi.json">openapi.json</a>. 本页需要 JavaScript，接口定义见 openapi.json。</noscript>
<main id="api"></main>
<script src="docs/swagger-ui-bundle.js?v={__version__}"></script>
<script src="docs/start.js?v={__version__}"></script>
</body>
</html>
"""


def router() -> APIRouter:
    """The page and its files."""
    routes = APIRouter(include_in_schema=False)
    page = Packed(_PAGE.encode(), "text/html; charset=utf-8", "no-cache")

    @routes.api_route("/docs", methods=["GET", "HEAD"])
    async def docs(request: Request) -> Response:
        return page.answer(request.headers)

    @routes.api_route("/docs/{name}", methods=["GET", "HEAD"])
    async def file(request: Request, name: str) -> Response:
        if name not in _TYPES:
            raise HTTPException(404)
        return _file(name).answer(request.headers)

    return routes


@cache
def _file(name: str) -> Packed:
    """A file of ours, or one that lies there packed; read when somebody first asks for it."""
    here = resources.files("seacod.web.docs").joinpath("static")
    packed = here.joinpath(f"{name}.gz")
    if packed.is_file():
        body = packed.read_bytes()
        return Packed(gzip.decompress(body), _TYPES[name], _KEPT, packed=body)
    return Packed(here.joinpath(name).read_bytes(), _TYPES[name], _KEPT)
