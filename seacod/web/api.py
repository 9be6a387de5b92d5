"""The HTTP API: health and transcription. Recognition itself is `seacod.asr.service`."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from seacod import __version__
from seacod.asr.service import TranscriptionService
from seacod.asr.transcript import Transcript
from seacod.errors import ClientGone
from seacod.paths import Paths
from seacod.web.uploads import received

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary",
                                 "description": "The recording; any format ffmpeg knows"},
                        "hotwords": {"type": "string",
                                     "description": "Words separated by blanks or commas"},
                    },
                }
            }
        },
    }
}  # fmt: skip


def router(service: TranscriptionService, paths: Paths) -> APIRouter:
    """The routes of one worker."""
    routes = APIRouter()
    started = time.monotonic()

    @routes.get("/health", summary="Whether recordings are transcribed, and how busy it is")
    async def health() -> Response:
        load = service.load()
        is_ready = not service.is_draining
        body = {
            "status": "ok" if is_ready else "draining",
            "model": service.engine.name,
            "device": service.engine.device,
            "in_flight": load.in_flight,
            "queue_depth": load.queue_depth,
            "queue_length": service.limits.queue_length,
            "uptime_seconds": round(time.monotonic() - started, 1),
            "version": __version__,
        }
        return JSONResponse(body, 200 if is_ready else 503)

    @routes.get("/health/live", summary="Whether the process answers")
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    @routes.get("/health/ready", summary="Whether new work is taken")
    async def ready() -> Response:
        if service.is_draining:
            return JSONResponse({"status": "draining"}, 503, {"Retry-After": "5"})
        return JSONResponse({"status": "ok"})

    @routes.post("/transcribe", summary="The text of a recording", openapi_extra=_FORM)
    async def transcribe(request: Request) -> dict[str, Any]:
        async with received(request, paths.temp, service.limits.max_upload_bytes) as upload:
            transcript = await _unless_gone(
                request,
                service.transcribe(
                    upload.path,
                    upload.fields.get("hotwords", ""),
                    route="/transcribe",
                    name=upload.given_name,
                ),
            )
        return {**as_json(transcript), "request_id": request.state.request_id}

    for path in ("/transcribe", "/health", "/health/live", "/health/ready"):
        # The page behind us takes every address, so nobody else would say this.
        routes.add_api_route(path, wrong_method, methods=list(_METHODS), include_in_schema=False)
    return routes


async def wrong_method(request: Request) -> None:
    """The address is right, the method is not (routes are tried in order, so none fitted)."""
    raise HTTPException(405)


async def _unless_gone(request: Request, work: Any) -> Any:
    """The result of `work`, which is given up when the client goes away.

    Raises:
        ClientGone: it did.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return await task
        task.cancel()
        # The place in the queue is free when this returns.
        await asyncio.wait({task})
        raise ClientGone("the client went away", "客户端已断开连接")
    finally:
        gone.cancel()
        task.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def as_json(transcript: Transcript) -> dict[str, Any]:
    """A transcript as the API shows it; times in seconds."""
    factor = transcript.real_time_factor
    return {
        "text": transcript.text,
        "segments": [
            {
                "start": round(segment.start_seconds, 3),
                "end": round(segment.end_seconds, 3),
                "text": segment.text,
                "confidence": _rounded(segment.confidence),
                "tokens": [
                    {
                        "text": token.text,
                        "start": round(token.start_seconds, 3),
                        "end": round(token.end_seconds, 3),
                        "confidence": _rounded(token.confidence),
                    }
                    for token in segment.tokens
                ],
            }
            for segment in transcript.segments
        ],
        "confidence": _rounded(transcript.confidence),
        "confidence_kind": transcript.confidence_kind,
        "language": transcript.language,
        "duration": round(transcript.duration_seconds, 3),
        "processing_time": round(transcript.processing_seconds, 3),
        "queue_time": round(transcript.queue_seconds, 3),
        "real_time_factor": _rounded(factor),
        "hotwords": [asdict(report) for report in transcript.hotwords],
        "warnings": list(transcript.warnings),
        "model": transcript.model,
        "device": transcript.device,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
