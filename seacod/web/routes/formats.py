"""A transcript, as `/transcribe` has answered it and somebody may have changed it since, in another
format: names of speakers, corrected words. Nothing is recognised here."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import field, replace
from functools import partial
from typing import IO, Annotated

from fastapi import APIRouter, Request
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from starlette.responses import Response

from seacod.config.in_use import SettingsInUse
from seacod.errors import BadRequest, ClientGone, TooBig
from seacod.formats import registry
from seacod.formats.asked import choices
from seacod.formats.base import Choices, OutputFormat
from seacod.paths import Paths
from seacod.system.files.free_space import check_room
from seacod.system.processes.threads import on_thread
from seacod.system.text import given_text
from seacod.transcript import Segment, Token, Transcript, TranscriptWarning
from seacod.web.forms import Body
from seacod.web.routes import openapi

_PATH = "/formats/{name}"
# More than a day of speech has: 40 MiB, 2,400,000 values, 400,000 characters, 24,000 sentences.
_MOST_BYTES = 64 << 20
_MOST_VALUES = 4_000_000
_MOST_CHARACTERS = 1_000_000
_MOST_SEGMENTS = 100_000
_AT_ONCE = 2
# More of a body than this waits on the disk for its turn.
_BUFFER_BYTES = 256 * 1024
_LONGEST_SECONDS = 1e6
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
        "description": "A transcript in the shape of POST /transcribe",
    }
}


_Seconds = Annotated[float, Field(ge=0, le=_LONGEST_SECONDS, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Name = Annotated[str, Field(max_length=1_000)]


# Classes with slots: a transcript of hours has hundreds of thousands of them.
@dataclass(slots=True)
class _Timed:
    start: _Seconds
    end: _Seconds
    text: Annotated[str, Field(max_length=100_000)]
    confidence: _Share | None = None
    speaker: _Name | None = None


@dataclass(slots=True)
class _GivenSentence(_Timed):
    tokens: list[_Timed] = field(default_factory=list)


@dataclass(slots=True)
class _Warning:
    message: Annotated[str, Field(max_length=10_000)]
    message_zh: Annotated[str, Field(max_length=10_000)]
    code: Annotated[str, Field(max_length=100)] = ""


@dataclass(slots=True)
class _GivenTranscript:
    segments: Annotated[list[_GivenSentence], Field(max_length=_MOST_SEGMENTS)]
    name: _Name = ""
    text: str | None = None
    duration: _Seconds | None = None
    confidence: _Share | None = None
    model: _Name = ""
    device: _Name = ""
    language: Annotated[str, Field(max_length=100)] = "zh"
    warning_details: Annotated[list[_Warning], Field(max_length=10_000)] = field(
        default_factory=list
    )

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


_READER = TypeAdapter(_GivenTranscript)


def router(paths: Paths, settings: SettingsInUse) -> APIRouter:
    """The route of one worker.

    Args:
        paths: where what comes waits for its turn.
        settings: those in use, for how much of that disk is to stay free.
    """
    routes = APIRouter(tags=["transcription"], responses=openapi.REFUSALS)
    at_once = asyncio.Semaphore(_AT_ONCE)

    def check() -> None:
        check_room(paths.temp, settings.current.storage.free_refuse_bytes)

    @routes.post(_PATH, summary="A transcript in another format", openapi_extra=_BODY)
    async def write(request: Request, name: str) -> Response:
        wanted = registry.chosen("format", name, registry.all_formats())
        chosen = choices(dict(request.query_params))
        with tempfile.SpooledTemporaryFile(max_size=_BUFFER_BYTES, dir=str(paths.temp)) as file:
            # Whoever still sends has no place yet.
            await _receive(request, file, check)
            async with at_once:
                if await request.is_disconnected():
                    raise ClientGone("the client went away", "客户端已断开连接")
                write_it = partial(_content, file, wanted, chosen)
                content = await on_thread("seacod-writing", write_it)
        return Response(content, media_type=wanted.media_type)

    return routes


async def _receive(request: Request, file: IO[bytes], check: Callable[[], None]) -> None:
    """Write the body to the file.

    Raises:
        TooBig: it has too many bytes.
        StorageFull: the disk has no room for it.
        ClientGone: it ended in the middle.
    """
    buffer = bytearray()
    size = 0
    async for chunk in Body(request).chunks():
        size += len(chunk)
        if size > _MOST_BYTES:
            raise TooBig(
                f"the transcript is larger than {_MOST_BYTES >> 20} MiB, which is the limit",
                f"文稿超过 {_MOST_BYTES >> 20} MiB 的上限",
            )
        buffer += chunk
        if len(buffer) > _BUFFER_BYTES:
            check()
            await asyncio.to_thread(file.write, bytes(buffer))
            buffer.clear()
    file.write(buffer)


def _content(file: IO[bytes], wanted: OutputFormat, chosen: Choices) -> bytes:
    """Blocking: seconds, where the transcript is one of hours."""
    file.seek(0)
    given = _given(file.read())
    if sum(len(one.text) for one in given.segments) > _MOST_CHARACTERS:
        raise TooBig(
            f"the transcript has more than {_MOST_CHARACTERS:,} characters, which is the limit",
            f"文稿超过 {_MOST_CHARACTERS:,} 个字符的上限",
        )
    named = replace(chosen, recording_name=given.name)
    return wanted.content(given.transcript(), named)


def _given(body: bytes) -> _GivenTranscript:
    """What a body holds.

    Raises:
        TooBig: it has too many values; seen before anything is made of them.
        BadRequest: it is no transcript.
    """
    # Each value but the first has one of these before it that is its own.
    if sum(map(body.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise TooBig(
            f"the transcript has more than {_MOST_VALUES:,} values, which is the limit",
            f"文稿中的 JSON 值超过 {_MOST_VALUES:,} 个的上限",
        )
    try:
        return _READER.validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise BadRequest(
            f"{where}: {first['msg']}; the body is the JSON that POST /transcribe gives",
            f"内容有误（{where}），应为 POST /transcribe 返回的 JSON",
        ) from None


def _person(given: str | None) -> str | None:
    return None if given is None else given_text.name(given)


def _tokens(given: list[_Timed]) -> tuple[Token, ...]:
    return tuple(
        Token(one.text, one.start, max(one.start, one.end), one.confidence, _person(one.speaker))
        for one in given
    )
