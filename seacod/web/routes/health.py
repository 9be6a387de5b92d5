"""Whether the service works, and what it is busy with: for load balancers, operators and the
page."""

from __future__ import annotations

import platform
import time
from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil
from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from seacod import __version__
from seacod.asr.service import TranscriptionService
from seacod.paths import Paths
from seacod.pause import Pause
from seacod.system.files.free_space import free_bytes
from seacod.system.processes.cpu_use import CpuUse
from seacod.web import supervisor_client
from seacod.web.readiness import Readiness

_SHOWN_VERSIONS = ("torch", "funasr", "gradio")


def router(
    service: TranscriptionService, readiness: Readiness, paths: Paths, *, shares_jobs: bool
) -> APIRouter:
    """The routes of one worker; `shares_jobs` where other nodes answer for its batches, too."""
    routes = APIRouter(tags=["health"])
    started = time.monotonic()
    cpu_use = CpuUse()
    versions = {"seacod": __version__, "python": platform.python_version(), **_versions()}

    @routes.get("/health", summary="Whether recordings are transcribed, and how busy it is")
    async def health() -> Response:
        load = service.load()
        status = readiness.status
        body = {
            "status": status,
            "model": service.engine.name,
            "recogniser": service.engine.kind,
            "device": service.engine.device,
            "in_flight": load.in_flight,
            "queue_depth": load.queue_depth,
            "queue_length": service.limits.queue_length,
            "uptime_seconds": round(time.monotonic() - started, 1),
            "version": __version__,
            "warnings": service.warnings,
            **_told(readiness.pause),
        }
        return JSONResponse(body, 503 if status == "draining" else 200)

    @routes.get("/health/live", summary="Whether the process answers")
    async def live() -> dict[str, Any]:
        # The page asks here all the time.
        return {"status": "ok", **_told(readiness.pause)}

    @routes.get("/health/ready", summary="Whether new work is taken")
    async def ready() -> Response:
        status = readiness.status
        if status == "ok":
            return JSONResponse({"status": status})
        if readiness.pause is not None and status == "paused":
            retry = readiness.pause.retry_after_seconds
            body = {"status": status, **_told(readiness.pause)}
            return JSONResponse(body, 503, {"Retry-After": str(retry)})
        return JSONResponse({"status": status}, 503, {"Retry-After": "5"})

    @routes.get("/system", summary="Model, device, load, limits, versions")
    async def system() -> dict[str, Any]:
        load = service.load()
        memory = psutil.virtual_memory()
        told = await supervisor_client.ask(paths.page_socket)
        # One of several workers answers for all of them.
        whole = told if told is not None and told.get("workers", 1) > 1 else {}
        return {
            "model": service.engine.name,
            "device": service.engine.device,
            "hardware": service.engine.hardware,
            "in_flight": whole.get("in_flight", load.in_flight),
            "queue_depth": whole.get("queue_depth", load.queue_depth),
            "queue_audio_seconds": round(load.outstanding_seconds, 1),
            "speed": round(load.speed, 1),
            "answered": load.answered,
            "failed": load.failed,
            "live_sessions": service.live.sessions,
            "gpu_reserved_bytes": load.gpu_reserved_bytes,
            "cpu_percent": cpu_use.percent(),
            "memory_used_bytes": memory.total - memory.available,
            "memory_bytes": memory.total,
            "worker_memory_bytes": psutil.Process().memory_info().rss,
            "disk_free_bytes": free_bytes(paths.temp),
            "uptime_seconds": round(time.monotonic() - started, 1),
            "limits": service.limits.model_dump(mode="json"),
            "versions": versions,
            "shares_jobs": shares_jobs,
            "service": told,
        }

    return routes


def _told(pause: Pause | None) -> dict[str, Any]:
    return {} if pause is None else {"pause": asdict(pause)}


@cache
def _versions() -> dict[str, str]:
    found = {}
    for name in _SHOWN_VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
