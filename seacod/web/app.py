"""The worker's web application: our own routes first, then the page at `/`.

Gradio is imported in none of the processes that serve: the page comes drawn (`web/page/`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from seacod import __version__
from seacod.asr.service import TranscriptionService
from seacod.config.in_use import SettingsInUse
from seacod.jobs.gate import JobsGate
from seacod.paths import Paths
from seacod.web.docs import docs
from seacod.web.logins.logins import Logins
from seacod.web.middleware import errors, traces
from seacod.web.middleware.access import Access
from seacod.web.middleware.quota import QuotaGate
from seacod.web.middleware.site import SiteGuard
from seacod.web.readiness import Readiness
from seacod.web.routes import (
    batch,
    formats,
    funasr_protocol,
    health,
    job_list,
    jobs,
    live,
    login,
    no_page,
    openai,
    realtime,
    recording,
    transcribe,
)
from seacod.web.sources import Sources

if TYPE_CHECKING:
    from seacod.web.page.page import Page


def create_app(
    service: TranscriptionService,
    in_use: SettingsInUse,
    paths: Paths,
    readiness: Readiness,
    jobs_gate: JobsGate,
    logins: Logins,
    admit: Callable[[str], None],
    page: Page | None = None,
) -> FastAPI:
    """Everything a worker serves; the page as it was drawn; None where there is to be none.
    `admit` raises one of `quota.REFUSALS` where a client may send nothing more now.

    FastAPI's own documentation pages load scripts from the internet, so they are off; /docs is ours
    (`web/docs/`).
    """
    # What is read here takes effect with a new worker.
    settings = in_use.current
    app = FastAPI(
        title="seacod",
        version=__version__,
        description="Speech recognition for recordings and microphones.",
        docs_url=None,
        redoc_url=None,
        root_path=settings.server.root_path,
    )
    # The last one added is the outermost.
    root_path = settings.server.root_path
    app.add_middleware(QuotaGate, admit=admit, refused=service.refused)
    app.add_middleware(Access, settings=settings.access, logins=logins, root_path=root_path)
    if origins := settings.access.cors_origins.split():
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "DELETE"],
            # Whatever is asked for: clients send headers of their own (x-stainless-*).
            allow_headers=["*"],
            expose_headers=[
                "X-Request-ID",
                "Retry-After",
                traces.RESPONSE,
                recording.WARNINGS_HEADER,
                batch.REPEATED,
            ],
        )
    app.add_middleware(SiteGuard, server=settings.server, access=settings.access)
    errors.install(app)
    sources = Sources(in_use)
    routers = (
        health.router(service, readiness, paths, shares_jobs=bool(settings.results.database)),
        transcribe.router(service, paths, sources),
        openai.router(service, paths, sources, settings.server.model_aliases),
        batch.router(service, jobs_gate, sources),
        jobs.router(jobs_gate, paths),
        job_list.router(jobs_gate),
        formats.router(paths, in_use),
    )
    for routes in routers:
        transcribe.refuse_other_methods(routes)
        app.include_router(routes)
    app.include_router(live.router(service, readiness))
    app.include_router(realtime.router(service, readiness, settings.server.model_aliases))
    app.include_router(funasr_protocol.router(service, paths, readiness, in_use, admit))
    app.include_router(docs.router())
    if logins.is_used:
        app.include_router(login.router(logins, root_path))
    if page is None:
        app.include_router(no_page.router(settings.server.root_path))
        return app
    # Last, because it takes every address that is left.
    page.mount(app)
    return app
