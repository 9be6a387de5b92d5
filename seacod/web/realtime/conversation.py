"""One client of the Realtime API: its sound to the live sessions, its utterances back as events.

With turn detection one live session goes on, and each piece of speech is an utterance;
without, the client says where one ends, and each has a session of its own. The route makes it and
says what its end looks like.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
from typing import Any, NoReturn

from starlette.websockets import WebSocket

from seacod.asr.service import TranscriptionService
from seacod.errors import BadRequest, ClientGone, SeacodError
from seacod.routes import REALTIME
from seacod.system.least_rate import LeastRate
from seacod.system.processes.waiting import end_task
from seacod.system.text.given_text import read_json
from seacod.transcript import TranscriptWarning
from seacod.web import closing, openai_fields
from seacod.web.closing import Moved
from seacod.web.middleware.access import client_of
from seacod.web.readiness import Readiness
from seacod.web.realtime import events, g711
from seacod.web.realtime.utterances import Utterances
from seacod.web.realtime.wishes import PCM, RealtimeWishes, updated

# Nobody has spoken for so long: what was said is written down, but the connection stays.
_PAUSE_SECONDS = 60.0
# A connection on which so little is said in so long is for others, whatever else it sends: a live
# session that is open owes more.
_LEAST_SECONDS, _WITHIN_SECONDS = 0.5, 900.0
_UPDATE, _OLD_UPDATE = "session.update", "transcription_session.update"


class Conversation:
    """
    Args:
        socket: accepted.
        service: has the live sessions.
        readiness: knows when the worker is to end.
        models: the names by which the model may be asked for.
        request_id: for the log, and for errors.
        is_old: the client speaks the API as it was (`OpenAI-Beta: realtime=v1`).
    """

    def __init__(
        self,
        socket: WebSocket,
        service: TranscriptionService,
        readiness: Readiness,
        models: openai_fields.ModelNames,
        request_id: str,
        *,
        is_old: bool,
    ) -> None:
        self._socket = socket
        self._service = service
        self._readiness = readiness
        self._models = models
        self._request_id = request_id
        self._is_old = is_old
        self._wishes = RealtimeWishes(model=service.engine.name)
        self._utterances: Utterances | None = None
        self._last_item: str | None = None
        # Half a sample that waits for its other half.
        self._rest = b""
        self._owed = LeastRate(_LEAST_SECONDS / _WITHIN_SECONDS, _WITHIN_SECONDS)
        # How much was heard in the sessions before this one.
        self._seconds = 0.0

    async def run(self) -> NoReturn:
        """Serve the client until it goes.

        Raises:
            ClientGone: it went.
            Moved: the worker is being replaced.
            SeacodError: the conversation cannot go on; its sentence says why.
        """
        serving = asyncio.ensure_future(self._serve())
        leaving = asyncio.ensure_future(self._readiness.draining.wait())
        try:
            await asyncio.wait({serving, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
            raise Moved(
                "the worker is being replaced; connect again", "识别进程正在更换，请重新连接"
            )
        finally:
            leaving.cancel()
            await end_task(serving)

    async def tell(self, event: events.Event) -> None:
        """Send an event.

        Raises:
            ClientGone: the client went away.
        """
        await closing.tell(self._socket, json.dumps(event, ensure_ascii=False))

    async def committed(self, item_id: str) -> None:
        """Tell that an utterance is over, before its text."""
        before, self._last_item = self._last_item, item_id
        place = {"previous_item_id": before}
        await self.tell(events.event("input_audio_buffer.committed", item_id=item_id, **place))
        item = events.item(item_id)
        if self._is_old:
            await self.tell(events.event("conversation.item.created", item=item, **place))
            return
        await self.tell(events.event("conversation.item.added", item=item, **place))
        await self.tell(events.event("conversation.item.done", item=item, **place))

    @property
    def sentence_gap(self) -> str:
        return self._service.engine.sentence_gap

    @property
    def wishes(self) -> RealtimeWishes:
        return self._wishes

    # -- what the client sends ------------------------------------------------------------------

    async def _serve(self) -> NoReturn:
        kind = "transcription_session.created" if self._is_old else "session.created"
        await self.tell(events.event(kind, session=self._shown(is_old=self._is_old)))
        try:
            while True:
                message = await self._next()
                event_id: str | None = None
                try:
                    given = _read(message)
                    event_id = str(given["event_id"])[:64] if given.get("event_id") else None
                    await self._handle(given)
                except ClientGone:
                    raise
                except SeacodError as error:
                    if error.http_status >= 500:
                        raise
                    await self.tell(events.refusal(error, self._request_id, event_id))
        finally:
            if self._utterances is not None:
                await self._utterances.close()

    async def _next(self) -> str:
        """The next message; a long pause ends the live session, and later the connection.

        Raises:
            BadRequest: there was no sound for too long.
            ClientGone: the client went away.
        """
        while True:
            await self._leave_what_is_over()
            if self._utterances is None and self._owed.is_behind():
                raise _too_silent()
            pause = self._owed.left_seconds if self._utterances is None else _PAUSE_SECONDS
            try:
                message = await asyncio.wait_for(self._socket.receive(), pause)
            except asyncio.TimeoutError:
                await self._finish()
                continue
            if message["type"] == "websocket.disconnect":
                raise ClientGone("the client went away", "客户端已断开连接")
            return str(
                message.get("text") or (message.get("bytes") or b"").decode("utf-8", "replace")
            )

    async def _handle(self, given: dict[str, Any]) -> None:
        kind = given.get("type")
        if kind == "input_audio_buffer.append":
            await self._append(given.get("audio"))
        elif kind == "input_audio_buffer.commit":
            if self._utterances is None:
                raise BadRequest(
                    "input_audio_buffer.commit: there is no sound in the buffer; append some first",
                    "input_audio_buffer.commit：缓冲区为空，请先发送音频",
                )
            await self._finish(is_asked=True)
        elif kind == "input_audio_buffer.clear":
            utterances, self._utterances, self._rest = self._utterances, None, b""
            if utterances is not None:
                await utterances.close()
            await self.tell(events.event("input_audio_buffer.cleared"))
        elif kind in (_UPDATE, _OLD_UPDATE):
            await self._update(given.get("session"), is_old=kind == _OLD_UPDATE)
        else:
            raise BadRequest(
                f"there is no event {str(kind)[:60]!r} in a transcription session here; use "
                "session.update and input_audio_buffer.append, .commit or .clear",
                f"转写会话不支持事件 {str(kind)[:60]}",
            )

    async def _update(self, session: object, *, is_old: bool) -> None:
        wishes = updated(self._wishes, session)
        if wishes.model != self._wishes.model:
            self._models.check(wishes.model)
        if wishes != self._wishes:
            # What was sent so far was sent as it was wanted so far.
            await self._finish()
        self._wishes = wishes
        remarks = self._language_remarks()
        await self.tell(
            events.event(
                "transcription_session.updated" if is_old else "session.updated",
                session=self._shown(is_old=is_old),
                **({"warnings": [one.message for one in remarks]} if remarks else {}),
            )
        )

    def _shown(self, *, is_old: bool) -> dict[str, Any]:
        shown = self._wishes.shown_as_before() if is_old else self._wishes.shown()
        return {"id": f"sess_{self._request_id}", **shown}

    def _language_remarks(self) -> list[TranscriptWarning]:
        return openai_fields.language_remarks(
            [self._wishes.language], self._service.engine.language
        )

    async def _append(self, audio: object) -> None:
        try:
            sound = base64.b64decode(str(audio or ""), validate=True)
        except (binascii.Error, ValueError):
            raise BadRequest(
                "input_audio_buffer.append: audio is not Base64",
                "input_audio_buffer.append：audio 不是有效的 Base64",
            ) from None
        if self._wishes.kind != PCM:
            sound = g711.samples(self._wishes.kind, sound)
        sound = self._rest + sound
        whole = len(sound) // 2 * 2
        sound, self._rest = sound[:whole], sound[whole:]
        if not sound:
            return
        if self._utterances is None or self._utterances.is_over:
            await self._begin()
        assert self._utterances is not None
        with self._owed.taking(len(sound) / 2 / self._wishes.rate):
            await self._utterances.session.feed(sound)
        heard = self._utterances.session.seconds - self._utterances.began_at
        if heard >= self._service.limits.max_audio_seconds:
            await self._finish()

    # -- live sessions -----------------------------------------------------------------------------

    async def _leave_what_is_over(self) -> None:
        """The place of a session that could not go on is for others."""
        if self._utterances is not None and self._utterances.is_over:
            utterances, self._utterances = self._utterances, None
            await utterances.close()

    async def _begin(self) -> None:
        await self._leave_what_is_over()
        stack = contextlib.AsyncExitStack()
        session = await stack.enter_async_context(
            self._service.live.open(
                self._wishes.prompt,
                client=f"live:{client_of(self._socket)}",
                rate=self._wishes.rate,
                offset_seconds=self._seconds,
                route=REALTIME,
                remarks=tuple(self._language_remarks()),
            )
        )
        self._utterances = Utterances(self, session, stack, self._seconds)

    async def _finish(self, *, is_asked: bool = False) -> None:
        """Have everything written down that was said so far.

        Args:
            is_asked: the client said that an utterance is over, and waits for one.
        """
        utterances, self._utterances, self._rest = self._utterances, None, b""
        if utterances is None:
            return
        try:
            await utterances.finish(is_asked=is_asked)
            self._seconds = utterances.session.seconds
        finally:
            await utterances.close()


def _too_silent() -> BadRequest:
    minutes = _WITHIN_SECONDS / 60
    return BadRequest(
        f"less than {_LEAST_SECONDS:g} s of sound came within {minutes:g} minutes: the place is "
        "for others now; connect again to go on",
        f"{minutes:g} 分钟内收到的音频不足 {_LEAST_SECONDS:g} 秒，连接已结束并让出名额；"
        "请重新连接后继续",
    )


def _read(message: str) -> dict[str, Any]:
    """
    Raises:
        BadRequest: it is no event.
    """
    try:
        given = read_json(message)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise BadRequest(
            'each message is a JSON text such as {"type": "input_audio_buffer.append", ...}',
            '每条消息应为 JSON 文本，例如 {"type": "input_audio_buffer.append", ...}',
        )
    return given
