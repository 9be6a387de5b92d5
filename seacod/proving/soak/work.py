"""One piece of work, done the way a good client does it: told to come back, it comes back; broken
off, it sends again; and what it gets is compared with what it should be."""

from __future__ import annotations

import contextlib
import io
import json
import time
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar

import anyio

from seacod.asr.audio import SAMPLE_RATE
from seacod.client import (
    NEVER,
    AsyncClient,
    BrokenOff,
    Busy,
    Refused,
    RetryPolicy,
    Unreachable,
)
from seacod.client.failures import RequestAttempts
from seacod.client.live import Done, LiveSession
from seacod.errors import SeacodError
from seacod.proving import sounds
from seacod.proving.likeness import alike, bare
from seacod.proving.soak.ledger import SoakLedger, WorkItem, WorkKind, WorkOutcome
from seacod.proving.soak.material import Material
from seacod.proving.soak.timetable import Mix

T = TypeVar("T")
# What has no answer in so long is lost.
PATIENCE_SECONDS = 600.0
_INSISTENT = RetryPolicy(
    PATIENCE_SECONDS, tries=10_000, waits_for_start=True, pause_seconds=0.5,
    longest_pause_seconds=10.0,
)  # fmt: skip
_POLL_SECONDS = 1.0
# Between tries while the disk of the service has no room.
_NO_ROOM_SECONDS = 5
# In other company a recording may come out with a character changed; a microphone is cut elsewhere.
_ALIKE, _ALIKE_LIVE = 0.97, 0.85


class SoakClient:
    """Does work for people at a service.

    Args:
        client: of the service; it asks once (`NEVER`), since every failure is written down.
        material: what is sent.
        ledger: where each piece is written down.
    """

    def __init__(self, client: AsyncClient, material: Material, ledger: SoakLedger) -> None:
        self._client = client
        self._material = material
        self._ledger = ledger
        self._right: dict[float, str] = {}

    async def learn(self, seconds: float) -> None:
        """What a recording of this length says, as the service hears it undisturbed.

        Raises:
            SeacodError: it does not transcribe.
        """
        piece = WorkItem(Mix.REST, WorkKind.RECORDING, time.time())
        try:
            text = await self._persistently(piece, lambda: self._transcribe(seconds))
        except Refused as refused:
            raise SeacodError(
                f"the service does not take the recordings: {refused.message}",
                f"服务不接受这些录音：{refused.chinese}",
            ) from None
        if not bare(text):
            raise SeacodError(
                "the service finds no speech in the recordings; try others",
                "服务从这些录音中识别不出内容；请换用其他录音",
            )
        self._right[seconds] = text

    # -- pieces of work ---------------------------------------------------------------------------

    async def recording(self, mix: Mix, seconds: float) -> None:
        """One recording, posted."""
        async with self._written(WorkItem(mix, WorkKind.RECORDING, time.time(), seconds)) as piece:
            text = await self._persistently(piece, lambda: self._transcribe(seconds))
            self._judge(piece, [text], seconds, _ALIKE)

    async def batch(self, mix: Mix, count: int, seconds: float) -> None:
        """A batch: accepted, worked off, fetched."""
        client, own = self._client, WorkItem(mix, WorkKind.BATCH, time.time(), count * seconds)
        async with self._written(own) as piece:
            recordings = [(f"{n}.wav", self._material.recording(seconds)) for n in range(count)]
            number = await self._persistently(piece, lambda: client.submit(recordings))
            while True:
                job = await self._persistently(piece, lambda: client.job(number))
                if job.is_over:
                    break
                await anyio.sleep(_POLL_SECONDS)
            if job.counts != {"done": count}:
                raise Refused(f"job {number}: {job.counts}", f"任务 {number}：{job.counts}", 0)
            packed = await self._persistently(piece, lambda: client.results(number))
            self._judge(piece, _texts(packed), seconds, _ALIKE)

    async def microphone(self, mix: Mix, seconds: float) -> None:
        """Somebody who speaks, at the pace people do. Broken off, all of it is said again."""
        async with self._written(WorkItem(mix, WorkKind.MICROPHONE, time.time(), seconds)) as piece:
            text = await self._persistently(piece, lambda: self._speak(seconds))
            self._judge(piece, [text], seconds, _ALIKE_LIVE)

    async def look(self, mix: Mix, path: str) -> None:
        """Somebody who looks at the page, or at its system tab."""
        async with self._written(WorkItem(mix, WorkKind.PAGE, time.time())) as piece:
            await self._persistently(piece, lambda: self._client.get(path))
            piece.outcome = WorkOutcome.RIGHT

    # -- one try ----------------------------------------------------------------------------------

    async def _transcribe(self, seconds: float) -> str:
        recording = ("soak.wav", self._material.recording(seconds))
        return (await self._client.transcribe(recording)).text

    async def _speak(self, seconds: float) -> str:
        said, failure = "", None
        async with self._client.live(SAMPLE_RATE) as session:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._send, session, seconds)
                # Kept out of the group, which would wrap it.
                try:
                    async for event in session:
                        if isinstance(event, Done):
                            said = event.transcript.text
                except SeacodError as error:
                    failure = error
                tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return said

    async def _send(self, session: LiveSession, seconds: float) -> None:
        began = time.monotonic()
        # Whoever listens sees that it broke off.
        with contextlib.suppress(BrokenOff):
            for at, block in sounds.spoken(self._material.samples(seconds)):
                await anyio.sleep(max(0.0, began + at - time.monotonic()))
                await session.send(block)
            await session.stop()

    async def _persistently(self, piece: WorkItem, one_try: Callable[[], Awaitable[T]]) -> T:
        """The first answer that is one; each failure is counted.

        Raises:
            SeacodError: there will be none.
        """
        attempts = RequestAttempts(_INSISTENT)
        while True:
            try:
                return await one_try()
            except SeacodError as failure:
                error = _busy_if_full(failure)
                piece.turned_away += isinstance(error, Busy)
                piece.refused += isinstance(error, Unreachable)
                piece.interrupted += isinstance(error, BrokenOff)
                pause = attempts.pause_after(error)
            await anyio.sleep(pause)

    def _judge(self, piece: WorkItem, texts: list[str], seconds: float, least: float) -> None:
        wanted = self._right[seconds]
        for text in texts:
            share = alike(text, wanted)
            if share < least:
                piece.outcome = WorkOutcome.WRONG
                piece.remark = f"{share:.0%} alike: {text[:80]}"
                return
        piece.outcome = WorkOutcome.RIGHT

    @contextlib.asynccontextmanager
    async def _written(self, piece: WorkItem) -> AsyncIterator[WorkItem]:
        """Writes a piece down when it is over. Cut short with the run it is no loss, and not
        written."""
        try:
            yield piece
        except SeacodError as error:
            piece.remark = error.message
        piece.ended = time.time()
        self._ledger.pieces.append(piece)


def connect(url: str, key: str | None) -> AsyncClient:
    """A client for this kind of work."""
    return AsyncClient(url, key, retry=NEVER, silence_seconds=PATIENCE_SECONDS)


def _busy_if_full(error: SeacodError) -> SeacodError:
    """A disk without room (507) is made room on: whoever has a recording comes again."""
    if isinstance(error, Refused) and error.status == HTTPStatus.INSUFFICIENT_STORAGE:
        return Busy(error.message, error.chinese, error.status, error.reason, _NO_ROOM_SECONDS)
    return error


def _texts(packed: bytes) -> list[str]:
    """The texts in a zip of results."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        rows = json.loads(archive.read("summary.json"))
        return [str(json.loads(archive.read(row["result"]))["text"]) for row in rows]
