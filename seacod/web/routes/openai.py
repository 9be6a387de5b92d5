"""The transcription part of OpenAI's API, so that its clients work unchanged.

Shapes: https://platform.openai.com/docs/api-reference/audio/createTranscription and /models.
`prompt` is read as hotwords; `temperature` has no meaning for this model and is ignored.
"""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from seacod.asr.request import RecognitionProgress
from seacod.asr.service import TranscriptionService
from seacod.errors import BadRequest, NotFound
from seacod.formats import diarized_json, registry
from seacod.formats.base import Choices
from seacod.paths import Paths
from seacod.transcript import Transcript
from seacod.web.fields import cue_limits, is_true, sound_choice, wanted_speakers
from seacod.web.known_fields import KnownFields
from seacod.web.routes import openapi, recording, streaming
from seacod.web.routes.recording import Wanted
from seacod.web.routes.streaming import Event, Failed
from seacod.web.uploads import Upload

ROUTE = "/v1/audio/transcriptions"
# What clients ask for whose model cannot be chosen.
_DIARIZE = "gpt-4o-transcribe-diarize"
_ALIASES = frozenset(
    {"whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", _DIARIZE, "seacod"}
)
_CHINESE = ("zh", "cmn", "chinese")


def router(service: TranscriptionService, paths: Paths) -> APIRouter:
    """The routes of one worker."""
    routes = APIRouter(tags=["openai"], responses=openapi.REFUSALS)
    created = int(time.time())
    # Those that OpenAI's API has, each in the shape its clients expect.
    shapes = {one.name: one.render_openai for one in registry.all_formats() if one.render_openai}
    formats = [one for one in registry.all_formats() if one.name in shapes]
    form = openapi.form(
        ("file", "model"),
        file=openapi.file("The recording; any format ffmpeg knows"),
        model=openapi.text("See GET /v1/models; whisper-1 means the one there is"),
        language=openapi.text("zh, or nothing"),
        prompt=openapi.text("Hotwords, separated by blanks, commas or lines"),
        hotwords=openapi.text("The same"),
        temperature=openapi.text("Has no meaning for this model"),
        **openapi.sound_choice(),
        response_format=openapi.text("Default: json", *shapes),
        speakers=openapi.text(openapi.SPEAKERS),
        **openapi.cue_limits(),
        stream=openapi.text("true: text as it is recognised, as server-sent events"),
        **{
            "timestamp_granularities[]": {
                "type": "array",
                "items": {"type": "string", "enum": ["segment", "word"]},
                "description": "What verbose_json holds",
            }
        },
    )

    known = KnownFields(
        openapi.names(form) | {"timestamp_granularities"},
        several=frozenset({"timestamp_granularities[]", "timestamp_granularities"}),
    )

    def model() -> dict[str, Any]:
        return {
            "id": service.engine.name, "object": "model", "created": created, "owned_by": "seacod",
        }  # fmt: skip

    def check_model(name: str) -> None:
        if name not in _ALIASES and name != service.engine.name:
            raise NotFound(
                f"there is no model {name[:60]!r} here; use {service.engine.name!r} "
                "(GET /v1/models lists it)",
                f"没有模型 {name[:60]}，请使用 {service.engine.name}",
            )

    def understand(upload: Upload) -> Wanted:
        fields = upload.fields
        check_model(fields.get("model") or "whisper-1")
        _check_language(fields.get("language", ""))
        wanted = registry.chosen("response_format", fields.get("response_format"), formats)
        granularities = upload.lists.get("timestamp_granularities[]", ["segment"])
        choices = Choices(granularities, cue_limits(fields))
        wants_stream = is_true("stream", fields.get("stream"))

        def whole(transcript: Transcript) -> Response:
            body = shapes[wanted.name](transcript, choices)
            if isinstance(body, str):
                return Response(body, media_type=wanted.media_type)
            return JSONResponse(body)

        return Wanted(
            "\n".join(filter(None, (fields.get("prompt"), fields.get("hotwords")))),
            whole,
            _Deltas(service.engine.sentence_gap) if wants_stream else None,
            sound_choice(fields),
            wanted_speakers(
                fields.get("speakers"),
                wanted.needs_speakers or fields.get("model") == _DIARIZE,
            ),
        )

    @routes.get("/v1/models", summary="The model there is")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [model()]}

    @routes.get("/v1/models/{name:path}", summary="The model with this name")
    async def one_model(name: str) -> dict[str, Any]:
        check_model(name)
        return {**model(), "id": name}

    @routes.post(ROUTE, summary="A recording's text, as in OpenAI's API", openapi_extra=form)
    async def transcriptions(request: Request) -> Response:
        return await recording.answer(request, service, paths, ROUTE, known, understand)

    return routes


class _Deltas:
    """Events as OpenAI streams them: text that was added, and all of it at the end."""

    def __init__(self, sentence_gap: str) -> None:
        self._between = sentence_gap
        self._has_any = False

    def __call__(self, event: Event | Failed) -> str:
        if isinstance(event, RecognitionProgress):
            return ""
        if isinstance(event, list):
            added = self._between.join(segment.text for segment in event)
            delta = self._between + added if self._has_any else added
            self._has_any = True
            return streaming.sent({"type": "transcript.text.delta", "delta": delta})
        if isinstance(event, Failed):
            error = {"code": event.error.code, "message": event.error.message}
            return streaming.sent({"type": "error", "error": error})
        # Who speaks is known at the end.
        said = diarized_json.segments(event) if event.speakers else ()
        done = {"type": "transcript.text.done", "text": event.text}
        return "".join(map(streaming.sent, (*said, done))) + "data: [DONE]\n\n"


def _check_language(given: str) -> None:
    if given and not given.lower().startswith(_CHINESE):
        raise BadRequest(
            f"language: this model recognises Chinese, not {given[:20]!r}; leave it out or send zh",
            f"language：本模型识别中文，不支持 {given[:20]}；请留空或填 zh",
        )
