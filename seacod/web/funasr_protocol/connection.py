"""One conversation in FunASR's protocol: utterance after utterance, each heard as its mode says.

A recording (`offline`) is written to the disk and recognised like an upload; the other modes are a
microphone of the live sessions, whose texts are told while somebody speaks. The route makes it, and
turns what it raises into an answer and a close code.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

from starlette.websockets import WebSocket

from seacod.asr.live.session import FinalSentences, LiveSession, PartialText
from seacod.asr.service import TranscriptionService
from seacod.config.in_use import SettingsInUse
from seacod.errors import (
    BadRequest,
    ClientGone,
    QueueFull,
    SeacodError,
)
from seacod.paths import Paths
from seacod.routes import FUNASR_PROTOCOL
from seacod.system.files.free_space import check_room
from seacod.system.least_rate import LeastRate
from seacod.system.processes.waiting import end_task
from seacod.transcript import Transcript
from seacod.web import closing
from seacod.web.closing import Moved
from seacod.web.funasr_protocol import answers, wav_head
from seacod.web.funasr_protocol.answers import Answer
from seacod.web.funasr_protocol.crowd import Crowd, Guest
from seacod.web.funasr_protocol.growing import GrowingText
from seacod.web.funasr_protocol.incoming import Incoming
from seacod.web.funasr_protocol.messages import Control, FunasrWishes, Mode, understood
from seacod.web.funasr_protocol.spool import Spool
from seacod.web.middleware.access import client_of
from seacod.web.middleware.quota import REFUSALS
from seacod.web.readiness import Readiness
from seacod.web.rendering import rendered
from seacod.web.uploads import PREFIX

# A client that sends nothing for so long in the middle of an utterance has gone without a word; one
# that waits for its user to speak may take longer.
SILENT_SECONDS = 60.0
# A recording comes at this rate at least, as the body of a request does.
_LEAST_BYTES_A_SECOND = 1024
WAITING_SECONDS = 600.0


class TooSilent(BadRequest):
    """Nothing came for too long."""


@dataclass(frozen=True, slots=True)
class FunasrContext:
    """What all conversations of a worker share.

    Args:
        service: recognises.
        paths: where recordings lie meanwhile.
        readiness: told of what a drain has to wait for.
        settings: those in use.
        admit: raises one of `REFUSALS` for a client that may send nothing more now.
        crowd: who is connected.
    """

    service: TranscriptionService
    paths: Paths
    readiness: Readiness
    settings: SettingsInUse
    admit: Callable[[str], None]
    crowd: Crowd


class FunasrConnection:
    """
    Args:
        socket: accepted.
        shared: what all connections of the worker have in common.
        request_id: for the log, and for errors.
    """

    def __init__(self, socket: WebSocket, shared: FunasrContext, request_id: str) -> None:
        self._socket = socket
        self._shared = shared
        self._request_id = request_id
        self._incoming = Incoming(socket)
        self._wishes = FunasrWishes()

    async def run(self, guest: Guest) -> NoReturn:
        """Serve one utterance after the other.

        Args:
            guest: its place.

        Raises:
            SeacodError: the conversation cannot go on; its sentence says why.
            ClientGone: the client went away.
            Moved: the worker is being replaced.
        """
        try:
            while True:
                message = await self._between_utterances(guest)
                if isinstance(message, bytes):
                    await self._utterance(message)
                elif (control := self._take(message)).is_end:
                    # Nobody spoke.
                    await self.tell(answers.final(self._wishes, (), is_final=True))
                    await self._give_receipt(control)
        finally:
            await self._incoming.close()

    async def tell(self, answer: Answer) -> None:
        """Send an answer.

        Raises:
            ClientGone: the client went away.
        """
        await closing.tell(self._socket, json.dumps(answer, ensure_ascii=False))

    async def refuse(self, error: SeacodError, *, wants_receipt: bool = True) -> None:
        """Say why there is no text.

        Args:
            error: the reason.
            wants_receipt: whether the client may wait to be told that its utterance is over.

        Raises:
            ClientGone: the client went away.
        """
        await self.tell(answers.failed(self._wishes, error, self._request_id))
        if wants_receipt:
            await self.tell(answers.receipt(self._wishes, error))

    # -- messages -----------------------------------------------------------------------------

    async def _between_utterances(self, guest: Guest) -> str | bytes:
        draining = self._shared.readiness.draining
        with self._shared.crowd.waiting(guest):
            message = await self._incoming.next(WAITING_SECONDS, draining, guest.must_go)
        if message is None:
            raise _too_silent(WAITING_SECONDS)
        if message is draining:
            raise Moved("the worker is being replaced", "识别进程正在更换")
        if isinstance(message, asyncio.Event):
            raise QueueFull(
                "other clients need this connection, on which nobody speaks; connect again",
                "连接数已满，本连接长时间空闲，已让位给其他客户端；请重新连接",
            )
        return message

    def _take(self, message: str) -> Control:
        control = understood(message, self._wishes)
        self._wishes = control.wishes
        return control

    async def _give_receipt(self, control: Control, error: SeacodError | None = None) -> None:
        if control.wants_receipt:
            await self.tell(answers.receipt(self._wishes, error))

    async def _utterance(self, first: bytes) -> None:
        client = client_of(self._socket)
        try:
            self._shared.admit(client)
        except REFUSALS as error:
            self._shared.service.refused(client, FUNASR_PROTOCOL, error)
            raise
        if self._wishes.mode is Mode.OFFLINE:
            # A drain waits for it, as for an upload.
            with self._shared.readiness.unfinished():
                await self._recording(first)
        else:
            await self._speech(first)

    # -- a recording --------------------------------------------------------------------------

    async def _recording(self, first: bytes) -> None:
        shared = self._shared
        shared.service.check_room(client_of(self._socket), FUNASR_PROTOCOL)
        path = shared.paths.temp / f"{PREFIX}{secrets.token_hex(8)}"
        with Spool(path, self._wishes, shared.service.limits.max_upload_bytes) as spool:
            message: str | bytes = first
            rate = LeastRate(_LEAST_BYTES_A_SECOND, SILENT_SECONDS)
            while True:
                if isinstance(message, bytes):
                    limit_bytes = shared.settings.current.storage.free_refuse_bytes
                    check_room(shared.paths.temp, limit_bytes, len(message))
                    with rate.taking(len(message)):
                        await spool.add(message)
                elif (control := self._take(message)).is_end:
                    break
                message = await self._more()
                if rate.is_behind():
                    raise TooSilent(
                        f"only {rate.came:g} bytes of the recording came within "
                        f"{SILENT_SECONDS:g} s, and at least {rate.least:g} have to; connect again "
                        "and send it faster",
                        f"{SILENT_SECONDS:g} 秒内只收到录音的 {rate.came:g} 字节，"
                        f"至少应为 {rate.least:g} 字节；请重新连接并加快发送",
                    )
            await spool.finish()
            try:
                transcript = await self._incoming.meanwhile(self._transcribed(path))
            except ClientGone:
                raise
            except SeacodError as error:
                # The next recording may be a better one.
                await self.refuse(error, wants_receipt=control.wants_receipt)
                return
        whole = partial(answers.whole, self._wishes, transcript)
        await self.tell(await rendered(transcript, whole))
        await self._give_receipt(control)

    async def _more(self) -> str | bytes:
        message = await self._incoming.next(SILENT_SECONDS)
        if not isinstance(message, (str, bytes)):
            raise _too_silent(SILENT_SECONDS)
        return message

    async def _transcribed(self, path: Path) -> Transcript:
        wishes = self._wishes
        return await self._shared.service.transcribe(
            path,
            wishes.hotwords,
            route=FUNASR_PROTOCOL,
            name=wishes.name,
            client=client_of(self._socket),
            wants_digits=wishes.has_digits,
        )

    # -- a microphone -------------------------------------------------------------------------

    async def _speech(self, first: bytes) -> None:
        wishes = self._wishes
        head = wav_head.read(first)
        async with self._shared.service.live.open(
            wishes.hotwords,
            client=f"live:{client_of(self._socket)}",
            rate=head.rate if head is not None else wishes.rate,
            route=FUNASR_PROTOCOL,
            wants_digits=wishes.has_digits,
            partial_every_seconds=wishes.first_text_seconds,
        ) as session:
            teller = _UtteranceTexts(self, wishes, session)
            telling = asyncio.ensure_future(teller.run())
            feeding = asyncio.ensure_future(self._feed(session, first[head.size if head else 0 :]))
            try:
                await asyncio.wait({telling, feeding}, return_when=asyncio.FIRST_COMPLETED)
                if telling.done():
                    # The model cannot go on with this, or the client has gone.
                    telling.result()
                end = await feeding
                teller.is_finishing = True
                await session.finish()
                await telling
            finally:
                await end_task(feeding)
                await end_task(telling)
        if isinstance(end, Control):
            await self._give_receipt(end)
        elif isinstance(end, SeacodError):
            raise end

    async def _feed(self, session: LiveSession, sound: bytes) -> Control | SeacodError | None:
        """Take sound until the client says that it is over; what ends it otherwise is given back,
        so that what was said before is written down first."""
        draining = self._shared.readiness.draining
        message: str | bytes | asyncio.Event | None = sound
        # A sample may be cut in two by the end of a message.
        half = b""
        while True:
            if isinstance(message, bytes):
                sound = half + message
                half = sound[len(sound) // 2 * 2 :]
                await session.feed(sound[: len(sound) // 2 * 2])
                if session.seconds >= self._shared.service.limits.max_audio_seconds:
                    # What comes next is an utterance of its own.
                    return None
            elif isinstance(message, str):
                control = self._take(message)
                if control.is_end:
                    return control
            elif message is None:
                return _too_silent(SILENT_SECONDS)
            else:
                return Moved("the worker is being replaced", "识别进程正在更换")
            message = await self._incoming.next(SILENT_SECONDS, draining)


class _UtteranceTexts:
    """Tells the client what is heard in one utterance.

    Args:
        connection: to the client.
        wishes: of the utterance.
        session: hears it.
    """

    def __init__(
        self, connection: FunasrConnection, wishes: FunasrWishes, session: LiveSession
    ) -> None:
        self._connection = connection
        self._wishes = wishes
        self._session = session
        self._growing = GrowingText()
        # The last answer says that it is: once the end is near, each waits for the next.
        self.is_finishing = False
        self._held: Answer | None = None

    async def run(self) -> None:
        """Until the utterance is over.

        Raises:
            SeacodError: the model cannot go on with this.
            ClientGone: the client went away.
        """
        while (event := await self._session.events.get()) is not None:
            if isinstance(event, SeacodError):
                raise event
            if isinstance(event, PartialText):
                if fresh := self._growing.heard(event.text):
                    await self._tell(answers.first(self._wishes, fresh))
            elif isinstance(event, FinalSentences):
                await self._tell_final(event)
        last = self._held or self._empty()
        assert self._session.transcript is not None
        await self._connection.tell(answers.warned(last, self._session.transcript))

    async def _tell_final(self, event: FinalSentences) -> None:
        has_told = self._growing.has_told
        rest = self._growing.finished(event.plain)
        if self._wishes.mode is Mode.ONLINE:
            if rest:
                await self._tell(answers.first(self._wishes, rest))
        elif event.segments or has_told:
            # Without sentences it takes back what was told first.
            await self._tell(answers.final(self._wishes, event.segments))

    async def _tell(self, answer: Answer) -> None:
        if not self.is_finishing:
            await self._connection.tell(answer)
            return
        held, self._held = self._held, answer
        if held is not None:
            await self._connection.tell(held)

    def _empty(self) -> Answer:
        if self._wishes.mode is Mode.ONLINE:
            return answers.first(self._wishes, "")
        return answers.final(self._wishes, ())


def _too_silent(seconds: float) -> TooSilent:
    return TooSilent(
        f"nothing was sent for {seconds:g} s; connect again to go on",
        f"{seconds:g} 秒内未收到任何数据；请重新连接后继续",
    )
