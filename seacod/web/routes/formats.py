"""A transcript, as `/transcribe` has answered it and somebody may have changed it since, in another
format: names of speakers, corrected words. Nothing is recognised here."""

from __future__ import annotations

import asyncio
from functools import partial

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, ValidationError
from starlette.responses import Response

from seacod.errors import BadRequest, TooBig
from seacod.formats import registry
from seacod.formats.asked import choices
from seacod.formats.base import Choices, OutputFormat
from seacod.system.processes.threads import on_thread
from seacod.system.text import given_text
from seacod.transcript import Segment, Token, Transcript, TranscriptWarning
from seacod.web.routes import openapi

_PATH = "/formats/{name}"
# Twice what a day of speech has.
_MOST_BYTES = 64 << 20
_MOST_CHARACTERS = 1_000_000
_AT_ONCE = 2
_LONGEST_SECONDS = 1e6
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
        "description": "A transcript in the shape of POST /transcribe",
    }
}


class _Timed(BaseModel):
    start: float = Field(ge=0, le=_LONGEST_SECONDS, allow_inf_nan=False)
    end: float = Field(ge=0, le=_LONGEST_SECONDS, allow_inf_nan=False)
    text: str = Field(max_length=100_000)
    confidence: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    speaker: str | None = Field(None, max_length=1_000)


class _GivenSentence(_Timed):
    tokens: list[_Timed] = Field(default_factory=list)


class _Warning(BaseModel):
    code: str = Field("", max_length=100)
    message: str = Field(max_length=10_000)
    message_zh: str = Field(max_length=10_000)


class _GivenTranscript(BaseModel):
    segments: list[_GivenSentence]
    text: str | None = None
    duration: float | None = Field(None, ge=0, le=_LONGEST_SECONDS, allow_inf_nan=False)
    confidence: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    model: str = Field("", max_length=1_000)
    device: str = Field("", max_length=1_000)
    language: str = Field("zh", max_length=100)
    warning_details: list[_Warning] = Field(default_factory=list, max_length=10_000)

    def transcript(self) -> Transcript:
        """The transcript as the formats read it."""
        segments = tuple(
            Segment(
                s.start,
                max(s.start, s.end),
                s.text,
                s.confidence,
                _tokens(s.tokens),
                _person(s.speaker),
            )  # fmt: skip
            for s in self.segments
        )
        last = max((segment.end_seconds for segment in segments), default=0.0)
        text = "\n".join(s.text for s in segments) if self.text is None else self.text
        return Transcript(
            text, segments, max(last, self.duration or 0.0), 0.0, 0.0, self.confidence,
            self.model, self.device, language=self.language,
            warnings=tuple(
                TranscriptWarning(one.code, one.message, one.message_zh)
                for one in self.warning_details
            ),
        )  # fmt: skip


def router() -> APIRouter:
    """The route of one worker."""
    routes = APIRouter(tags=["transcription"], responses=openapi.REFUSALS)
    at_once = asyncio.Semaphore(_AT_ONCE)

    @routes.post(_PATH, summary="A transcript in another format", openapi_extra=_BODY)
    async def write(request: Request, name: str) -> Response:
        wanted = registry.chosen("format", name, registry.all_formats())
        chosen = choices(dict(request.query_params))
        async with at_once:
            body = await _read(request)
            content = await on_thread("seacod-writing", partial(_content, body, wanted, chosen))
        return Response(content, media_type=wanted.media_type)

    return routes


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise TooBig(
                f"the transcript is larger than {_MOST_BYTES >> 20} MiB",
                f"文稿超过 {_MOST_BYTES >> 20} MiB",
            )
    return bytes(body)


def _content(body: bytes, wanted: OutputFormat, chosen: Choices) -> bytes:
    """Blocking: seconds, where the transcript is one of hours."""
    try:
        given = _GivenTranscript.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise BadRequest(
            f"{where}: {first['msg']}; the body is the JSON that POST /transcribe gives",
            f"内容有误（{where}），应为 POST /transcribe 返回的 JSON",
        ) from None
    if sum(len(one.text) for one in given.segments) > _MOST_CHARACTERS:
        raise TooBig(
            f"the transcript has more than {_MOST_CHARACTERS:,} characters",
            f"文稿超过 {_MOST_CHARACTERS:,} 个字符",
        )
    return wanted.content(given.transcript(), chosen)


def _person(given: str | None) -> str | None:
    return None if given is None else given_text.name(given)


def _tokens(given: list[_Timed]) -> tuple[Token, ...]:
    return tuple(
        Token(one.text, one.start, max(one.start, one.end), one.confidence, _person(one.speaker))
        for one in given
    )
