"""A microphone over a WebSocket: sound in, text out while it is spoken.

The client sends {"type": "start", "sample_rate": 16000, "hotwords": "..."}, then sound as binary
messages (16-bit signed samples, little-endian, one channel), then {"type": "stop"}. It is sent:

    ready      sound may come
    partial    what is being said, as far as it can be recognised; it will change
    final      sentences that are written down; sound before settled_seconds is needed no more
    done       the whole transcript, as POST /transcribe gives it
    error      why it is over, in the one shape of errors

A connection that closes without `done` or `error` was cut (1012: the worker is being replaced). The
client begins anew with what was not settled: `offset_seconds`, and the sentences so far as `before`
when it wants them in the transcript.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any

import structlog
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.websockets import WebSocket

from seacod.asr.live.session import FinalSentences, LiveSession, PartialText
from seacod.asr.service import TranscriptionService
from seacod.asr.speakers.wanted import parse
from seacod.errors import (
    BadRequest,
    ClientGone,
    InferenceFailed,
    QueueFull,
    SeacodError,
)
from seacod.formats import asked, full_json, registry
from seacod.routes import LIVE
from seacod.system.net.client_places import ClientPlaces
from seacod.system.processes.waiting import end_task
from seacod.system.text.given_text import read_json
from seacod.transcript import Segment
from seacod.web import closing
from seacod.web.known_fields import KnownFields
from seacod.web.middleware import errors
from seacod.web.middleware.access import client_of
from seacod.web.readiness import Readiness
from seacod.web.rendering import rendered

log = structlog.get_logger(__name__)

# A client that sends nothing for so long has gone without a word; one that has not begun sooner.
_SILENT_SECONDS = 60.0
_START_SECONDS = 10.0
# Connections that have not begun hold messages, too: so many beside those that may go on.
_STARTING = 16
# No recording is so long (seconds); what is added up would never come down again.
_LONGEST_SECONDS = 1e6
# https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1 and IANA's registry beside it.


class Sentence(BaseModel):
    """A sentence of an earlier session; times in seconds."""

    start: float = Field(ge=0, le=_LONGEST_SECONDS, allow_inf_nan=False)
    end: float = Field(ge=0, le=_LONGEST_SECONDS, allow_inf_nan=False)
    text: str = Field(max_length=4000)
    confidence: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)


class Start(BaseModel):
    """The first message; what else it has is remarked upon."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(pattern="^start$")
    sample_rate: int = Field(16_000, ge=1, le=1_000_000)
    hotwords: str = Field("", max_length=64 * 1024)
    also: str = Field("", max_length=100)
    speakers: str = Field("", max_length=20)
    max_line_characters: int | None = Field(None)
    max_cue_seconds: float | None = Field(None, allow_inf_nan=False)
    show_warnings: bool | None = Field(None)
    offset_seconds: float = Field(0.0, ge=0, le=_LONGEST_SECONDS, allow_inf_nan=False)
    before: list[Sentence] = Field(default_factory=list, max_length=50_000)

    def fields(self) -> dict[str, str]:
        """What it says about the formats, as a form would."""
        values = self.model_dump(include=set(asked.FIELDS), exclude_none=True)
        return {name: str(value) for name, value in values.items()}


_KNOWN = KnownFields(frozenset(Start.model_fields))


def router(service: TranscriptionService, readiness: Readiness) -> APIRouter:
    """The route of one worker."""
    routes = APIRouter()
    here = ClientPlaces()

    @routes.websocket(LIVE)
    async def live(socket: WebSocket) -> None:
        request_id = secrets.token_hex(8)
        await socket.accept()
        client = client_of(socket)
        has_room = here.has_room(client, service.limits.live_sessions + _STARTING)
        with here.held(client), structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                code = closing.NORMAL
                try:
                    if not has_room:
                        raise _too_many(len(here) - 1)
                    await _LiveConnection(socket, service, readiness, request_id).run()
                except (ClientGone, closing.Moved):
                    raise
                except SeacodError as error:
                    await _tell(socket, {"type": "error", **errors.said(error, request_id)})
                    code = closing.POLICY
                except Exception:
                    log.exception("live_broke")
                    broke = InferenceFailed.unforeseen()
                    await _tell(socket, {"type": "error", **errors.said(broke, request_id)})
                    code = closing.POLICY
                await closing.close(socket, code)
            except closing.Moved:
                await closing.close(socket, closing.SERVICE_RESTART)
            except ClientGone:
                log.info("live_client_gone")

    return routes


class _LiveConnection:
    """One connection from its start message to its end."""

    def __init__(
        self,
        socket: WebSocket,
        service: TranscriptionService,
        readiness: Readiness,
        request_id: str,
    ) -> None:
        self._socket = socket
        self._service = service
        self._readiness = readiness
        self._request_id = request_id

    async def run(self) -> None:
        """Serve the conversation to its end.

        Raises:
            SeacodError: the conversation cannot go on; its sentence says why.
            ClientGone: the client went away.
            closing.Moved: the worker is being replaced.
        """
        start = await self._start()
        also = registry.chosen_texts("also", start.also)
        unread = _KNOWN.unread(dict.fromkeys(start.model_extra or (), ()))
        choices = asked.choices(start.fields())
        async with self._service.live.open(
            start.hotwords,
            client=f"live:{client_of(self._socket)}",
            rate=start.sample_rate,
            before=[Segment(s.start, s.end, s.text, s.confidence) for s in start.before],
            offset_seconds=start.offset_seconds,
            speakers=parse(start.speakers),
            remarks=unread,
        ) as session:
            warnings = [one.message for one in unread]
            ready = {"type": "ready", "request_id": self._request_id, "warnings": warnings}
            await _tell(self._socket, ready)
            telling = asyncio.ensure_future(self._tell_events(session, start.offset_seconds))
            try:
                is_limit = await self._take_sound(session, telling)
                transcript = await session.finish()
                await telling
            finally:
                await end_task(telling)
            ended = {"request_id": self._request_id, "limit_reached": is_limit}

            def done() -> str:
                body = full_json.body(transcript)
                body["also"] = {one.name: one.write(transcript, choices) for one in also}
                return _message({"type": "done", **body, **ended})

            await closing.tell(self._socket, await rendered(transcript, done))

    async def _start(self) -> Start:
        message = await self._receive(_START_SECONDS)
        try:
            start = Start.model_validate_json(message.get("text") or "")
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the message"
            raise BadRequest(
                f"start: {where}: {first['msg']}; the first message is a JSON text such as "
                '{"type": "start", "sample_rate": 16000}',
                f"首条消息有误（{where}），应为 JSON 文本，例如"
                ' {"type": "start", "sample_rate": 16000}',
            ) from None
        limit = self._service.limits.max_audio_seconds
        if start.offset_seconds > limit:
            raise BadRequest(
                f"offset_seconds: {start.offset_seconds:g} is more than the longest recording, "
                f"{limit:g} s",
                f"offset_seconds：{start.offset_seconds:g} 超过录音最长时长 {limit:g} 秒",
            )
        return start

    async def _take_sound(self, session: LiveSession, telling: asyncio.Future[None]) -> bool:
        """Take sound until "stop" (False), or until the recording is as long as it may be (True).

        Raises:
            closing.Moved, SeacodError: the conversation ends for another reason.
        """
        taking = asyncio.ensure_future(self._feed(session))
        leaving = asyncio.ensure_future(self._readiness.draining.wait())
        ends: set[asyncio.Future[Any]] = {taking, telling, leaving}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                telling.result()
                raise ClientGone("the client takes nothing any more", "客户端已断开连接")
            if leaving.done():
                raise closing.Moved("the worker is being replaced", "识别进程正在更换")
            return taking.result()
        finally:
            leaving.cancel()
            await end_task(taking)

    async def _feed(self, session: LiveSession) -> bool:
        while True:
            message = await self._receive(_SILENT_SECONDS)
            sound = message.get("bytes")
            if sound is None:
                _check_stop(message.get("text") or "")
                return False
            await session.feed(sound)
            if session.seconds >= self._service.limits.max_audio_seconds:
                return True

    async def _receive(self, timeout_seconds: float) -> dict[str, Any]:
        try:
            message = await asyncio.wait_for(self._socket.receive(), timeout_seconds)
        except asyncio.TimeoutError:
            raise ClientGone("the client said nothing any more", "客户端没有响应") from None
        if message["type"] == "websocket.disconnect":
            raise ClientGone("the client went away", "客户端已断开连接")
        return dict(message)

    async def _tell_events(self, session: LiveSession, offset_seconds: float) -> None:
        """
        Raises:
            SeacodError: the model cannot go on with this.
        """
        while (event := await session.events.get()) is not None:
            if isinstance(event, SeacodError):
                raise event
            if isinstance(event, PartialText):
                await _tell(self._socket, {"type": "partial", "text": event.text})
            elif isinstance(event, FinalSentences):
                settled = round(offset_seconds + event.until_seconds, 3)
                segments = [full_json.segment_json(segment) for segment in event.segments]
                await _tell(
                    self._socket,
                    {"type": "final", "segments": segments, "settled_seconds": settled},
                )


def _too_many(count: int) -> QueueFull:
    return QueueFull(
        f"{count} microphones are connected already, which is the limit; try again in a moment",
        f"已有 {count} 路麦克风连接，达到上限；请稍后重试",
    )


def _check_stop(text: str) -> None:
    """
    Raises:
        BadRequest: the message is not "stop".
    """
    try:
        body = read_json(text)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or body.get("type") != "stop":
        raise BadRequest(
            'after the start come binary messages with sound, then {"type": "stop"}',
            '开始之后应发送二进制音频数据，最后发送 {"type": "stop"}',
        )


def _message(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False)


async def _tell(socket: WebSocket, message: dict[str, Any]) -> None:
    await closing.tell(socket, _message(message))
