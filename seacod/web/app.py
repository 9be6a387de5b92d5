"""The worker's web application: our own routes first, then the page at `/`."""

from __future__ import annotations

from fastapi import FastAPI

from seacod import __version__
from seacod.asr.service import TranscriptionService
from seacod.config.schema import Settings
from seacod.paths import Paths
from seacod.web import api, errors


def create_app(service: TranscriptionService, settings: Settings, paths: Paths) -> FastAPI:
    """Everything a worker serves.

    FastAPI's own documentation pages load scripts from the internet, so they are off;
    /openapi.json stays.
    """
    from seacod.web.page import mount_page

    app = FastAPI(
        title="seacod",
        version=__version__,
        description="Chinese speech recognition (FunASR Seaco-Paraformer).",
        docs_url=None,
        redoc_url=None,
        root_path=settings.server.root_path,
    )
    errors.install(app)
    app.include_router(api.router(service, paths))
    # Last, because it takes every address that is left.
    return mount_page(app, service, settings, paths)
