"""The HTTP API for one recording. Recognition itself is `seacod.asr.service`."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from seacod.asr.choice import SoundChoice
from seacod.asr.request import RecognitionProgress
from seacod.asr.service import TranscriptionService
from seacod.formats import full_json, registry
from seacod.formats.asked import choices
from seacod.formats.base import Choices, OutputFormat, Rendered
from seacod.formats.remarks import warnings_json
from seacod.paths import Paths
from seacod.routes import TRANSCRIBE
from seacod.system.text.switches import is_true
from seacod.transcript import Transcript
from seacod.web.known_fields import KnownFields
from seacod.web.middleware import errors
from seacod.web.routes import openapi, recording, streaming
from seacod.web.routes.recording import Wanted
from seacod.web.routes.streaming import Event, Failed
from seacod.web.sources import Sources
from seacod.web.uploads import Upload

# A transcript as the request wants it.
BodyOf = Callable[[Transcript], Rendered]
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def router(service: TranscriptionService, paths: Paths, sources: Sources) -> APIRouter:
    """The routes of one worker."""
    routes = APIRouter(tags=["transcription"], responses=openapi.REFUSALS)
    formats = registry.all_formats()
    form = openapi.form(
        (),
        file=openapi.file("The recording; any format ffmpeg knows"),
        url=openapi.url(),
        hotwords=openapi.text("Words separated by blanks, commas or lines"),
        **openapi.sound_choice(),
        format=openapi.text(
            "What to answer with; also as a query parameter", *registry.names(formats)
        ),
        **openapi.choices(),
        peaks=openapi.peaks(),
        stream=openapi.text("Partial results as server-sent events; also as a query parameter"),
        also=openapi.text(
            "With json: these formats, too, in a field 'also', separated by commas: "
            + ", ".join(registry.names(registry.texts()))
        ),
    )

    known = KnownFields(openapi.names(form), frozenset({"format", "stream", "speakers"}))

    @routes.post(TRANSCRIBE, summary="The text of a recording", openapi_extra=form)
    async def transcribe(
        request: Request,
        format: str | None = None,
        stream: str | None = None,
        speakers: str | None = None,
    ) -> Response:
        request_id = str(request.state.request_id)

        def understand(upload: Upload) -> Wanted:
            fields = upload.fields
            wanted = registry.chosen("format", format or fields.get("format"), formats)
            wants_stream = is_true("stream", stream or fields.get("stream"))
            also = registry.chosen_texts("also", fields.get("also"))
            chosen = replace(choices(fields), recording_name=upload.given_name)
            body = partial(_body, wanted=wanted, also=also, choices=chosen)
            write = partial(_written, body_of=body, request_id=request_id)
            return Wanted(
                fields.get("hotwords", ""),
                partial(_whole, body_of=body, wanted=wanted, request_id=request_id),
                write if wants_stream else None,
                SoundChoice.read(
                    {**fields, **({"speakers": speakers} if speakers else {})}
                ).for_format(wanted.needs_speakers),
                shows_queue=True,
            )

        return await recording.answer(
            request, service, paths, TRANSCRIBE, sources, known, understand
        )

    return routes


def _whole(
    transcript: Transcript, body_of: BodyOf, wanted: OutputFormat, request_id: str
) -> Response:
    body = body_of(transcript)
    if isinstance(body, str | bytes):
        return Response(body, media_type=wanted.media_type)
    return JSONResponse({**body, "request_id": request_id})


def _body(
    transcript: Transcript, wanted: OutputFormat, also: list[OutputFormat], choices: Choices
) -> Rendered:
    body = wanted.render(transcript, choices)
    if also and wanted is full_json.FORMAT and isinstance(body, dict):
        body["also"] = {one.name: one.write(transcript, choices) for one in also}
    return body


def _written(event: Event | Failed, body_of: BodyOf, request_id: str) -> str:
    """One of the events `progress`, `segments`, and at the end `done` or `error`."""
    if isinstance(event, RecognitionProgress):
        return streaming.sent(streaming.progress_json(event), "progress")
    if isinstance(event, list):
        segments = [full_json.segment_json(segment) for segment in event]
        return streaming.sent({"segments": segments}, "segments")
    if isinstance(event, Failed):
        return streaming.sent(errors.said(event.error, request_id), "error")
    body = body_of(event)
    if isinstance(body, dict):
        shown = body
    elif isinstance(body, str):
        shown = {"body": body, **warnings_json(event)}
    else:
        shown = {"body_base64": base64.b64encode(body).decode(), **warnings_json(event)}
    return streaming.sent({**shown, "request_id": request_id}, "done")


def refuse_other_methods(routes: APIRouter) -> None:
    """Answer 405 to wrong methods and OPTIONS with the right ones, since the page behind the routes
    would take every address.

    Call it when `routes` is complete: routes are tried in order.
    """
    methods: dict[str, set[str]] = {}
    for route in routes.routes:
        known = methods.setdefault(str(getattr(route, "path", "")), set())
        known |= getattr(route, "methods", None) or set()
    for path in sorted(methods):
        allowed = ", ".join(sorted({*methods[path], "OPTIONS"}))
        answer = partial(_options, allowed)
        routes.add_api_route(path, answer, methods=["OPTIONS"], include_in_schema=False)
        routes.add_api_route(path, _wrong_method, methods=list(_METHODS), include_in_schema=False)


async def _options(allowed: str) -> Response:
    return Response(status_code=204, headers={"Allow": allowed})


async def _wrong_method(request: Request) -> None:
    raise HTTPException(405)
