"""The transcription part of OpenAI's API, so that its clients work unchanged.

Shapes: https://platform.openai.com/docs/api-reference/audio/createTranscription and /models.
`prompt` is read as hotwords; what has no meaning here is remarked upon (`web/openai_fields.py`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from seacod.asr.choice import SoundChoice
from seacod.asr.request import RecognitionProgress
from seacod.asr.service import TranscriptionService
from seacod.errors import NotSupported
from seacod.formats import diarized_json, registry
from seacod.formats.asked import choices
from seacod.formats.base import Choices
from seacod.formats.log_probabilities import log_probabilities
from seacod.formats.remarks import warnings_json
from seacod.paths import Paths
from seacod.routes import OPENAI
from seacod.system.text.switches import is_true
from seacod.transcript import Segment, Transcript
from seacod.web import openai_fields
from seacod.web.known_fields import KnownFields
from seacod.web.routes import openapi, recording, streaming
from seacod.web.routes.recording import Wanted
from seacod.web.routes.streaming import Event, Failed
from seacod.web.sources import Sources
from seacod.web.uploads import Upload

_TRANSLATIONS = "/v1/audio/translations"
# Each comes as often as its client likes, with brackets or without.
_SEVERAL = frozenset(
    {"timestamp_granularities", "include", "keywords", "languages", "known_speaker_names",
     "known_speaker_references", "chunking_strategy"}
)  # fmt: skip


def _form(shapes: Iterable[str]) -> dict[str, Any]:
    """What a request may say; `shapes` are the names of the formats."""
    return openapi.form(
        ("model",),
        file=openapi.file("The recording; any format ffmpeg knows"),
        url=openapi.url(),
        model=openapi.text("See GET /v1/models; whisper-1 means the one there is"),
        language=openapi.text("zh, auto or nothing; any other is remarked upon"),
        prompt=openapi.text("Hotwords, separated by blanks, commas or lines"),
        hotwords=openapi.text("The same"),
        temperature=openapi.text("Has no meaning for this model"),
        **openapi.sound_choice(),
        response_format=openapi.text("Default: json", *shapes),
        **openapi.choices(),
        stream=openapi.text("true: text as it is recognised, as server-sent events"),
        **{
            "timestamp_granularities[]": {
                "type": "array",
                "items": {"type": "string", "enum": ["segment", "word"]},
                "description": "What verbose_json holds",
            },
            "include[]": openapi.text(
                "With json: the logarithm of each token's posterior", "logprobs"
            ),
            "keywords[]": openapi.text("Hotwords, too"),
        },
    )


def router(
    service: TranscriptionService, paths: Paths, sources: Sources, model_aliases: str
) -> APIRouter:
    """The routes of one worker.

    Args:
        service: recognises.
        paths: where uploads lie meanwhile.
        sources: fetch what is named by its address.
        model_aliases: server.model_aliases.
    """
    routes = APIRouter(tags=["openai"], responses=openapi.REFUSALS)
    created = int(time.time())
    # Those that OpenAI's API has, each in the shape its clients expect.
    shapes = {one.name: one.render_openai for one in registry.all_formats() if one.render_openai}
    formats = [one for one in registry.all_formats() if one.name in shapes]
    form = _form(shapes)
    known = KnownFields(openapi.names(form), several=_SEVERAL)

    def model() -> dict[str, Any]:
        return {
            "id": service.engine.name, "object": "model", "created": created, "owned_by": "seacod",
        }  # fmt: skip

    def check_model(name: str) -> None:
        openai_fields.ModelNames(model_aliases, service.engine.name).check(name)

    def understand(upload: Upload) -> Wanted:
        fields = upload.fields
        check_model(fields.get("model") or "whisper-1")
        wanted = registry.chosen("response_format", fields.get("response_format"), formats)
        chosen = replace(
            choices(fields, openai_fields.granularities(upload.lists)),
            wants_log_probabilities=openai_fields.wants_log_probabilities(upload.lists),
        )
        wants_stream = is_true("stream", fields.get("stream"))

        def whole(transcript: Transcript) -> Response:
            body = shapes[wanted.name](transcript, chosen)
            if isinstance(body, str | bytes):
                return Response(body, media_type=wanted.media_type)
            return JSONResponse(body)

        return Wanted(
            "\n".join(
                filter(
                    None,
                    (
                        fields.get("prompt"),
                        fields.get("hotwords"),
                        *openai_fields.several(upload.lists, "keywords"),
                    ),
                )
            ),
            whole,
            _Deltas(service.engine.sentence_gap, chosen) if wants_stream else None,
            SoundChoice.read(fields).for_format(
                wanted.needs_speakers or fields.get("model") == openai_fields.DIARIZE
            ),
            remarks=tuple(openai_fields.remarks(upload.lists, wanted, service.engine.language)),
        )

    @routes.get("/v1/models", summary="The model there is")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [model()]}

    @routes.get("/v1/models/{name:path}", summary="The model with this name")
    async def one_model(name: str) -> dict[str, Any]:
        check_model(name)
        return {**model(), "id": name}

    @routes.post(OPENAI, summary="A recording's text, as in OpenAI's API", openapi_extra=form)
    async def transcriptions(request: Request) -> Response:
        return await recording.answer(request, service, paths, OPENAI, sources, known, understand)

    @routes.post(_TRANSLATIONS, summary="There is none: says so, in the shape of its errors")
    async def translations(request: Request) -> Response:
        raise NotSupported(
            "this service writes down what is said and translates nothing; POST "
            "/v1/audio/transcriptions gives the Chinese text",
            "本服务只做语音转写，不提供翻译；请使用 POST /v1/audio/transcriptions 获取中文文本",
        )

    return routes


class _Deltas:
    """Events as OpenAI streams them: text that was added, and all of it at the end."""

    def __init__(self, sentence_gap: str, choices: Choices) -> None:
        self._between = sentence_gap
        self._choices = choices
        self._has_any = False

    def __call__(self, event: Event | Failed) -> str:
        if isinstance(event, RecognitionProgress):
            return ""
        if isinstance(event, list):
            added = self._between.join(segment.text for segment in event)
            delta = self._between + added if self._has_any else added
            self._has_any = True
            spoken = {"type": "transcript.text.delta", "delta": delta}
            return streaming.sent({**spoken, **self._log_probabilities(event)})
        if isinstance(event, Failed):
            error = {"code": event.error.code, "message": event.error.message}
            return streaming.sent({"type": "error", "error": error})
        # Who speaks is known at the end.
        said = diarized_json.segments(event) if event.speakers else ()
        done = {"type": "transcript.text.done", "text": event.text}
        done |= self._log_probabilities(event.segments)
        done |= warnings_json(event) if event.warnings else {}
        return "".join(map(streaming.sent, (*said, done))) + "data: [DONE]\n\n"

    def _log_probabilities(self, segments: Sequence[Segment]) -> dict[str, Any]:
        if not self._choices.wants_log_probabilities:
            return {}
        return {"logprobs": log_probabilities(segments)}
