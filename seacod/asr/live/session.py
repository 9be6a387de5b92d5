"""One microphone, from its first sound to its transcript.

What is being said is recognised again and again while the model has nothing better to do, for a
first text; after a pause it is recognised once more, for good. Voice activity runs on one thread
for all microphones (`seacod-live`), recognition where all recognition does (`scheduler.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from seacod.asr.assembly import Assembly
from seacod.asr.audio import SAMPLE_RATE, Samples
from seacod.asr.live.format_hint import FormatHint
from seacod.asr.live.microphone import Microphone
from seacod.asr.piece import Piece
from seacod.asr.piece_queue import PieceResult
from seacod.asr.request import RecognitionRequest
from seacod.asr.scheduler import Scheduler
from seacod.asr.speakers.track import SpeakerTrack
from seacod.errors import BadRequest, InferenceFailed, SeacodError
from seacod.system.least_rate import LeastRate
from seacod.system.processes.waiting import end_task
from seacod.transcript import Segment, Transcript

log = structlog.get_logger(__name__)

# A partial text is made of at least so much speech, and so long after the one before; the second
# also grows with what one costs, so that they take a quarter of the model's time at most.
_PARTIAL_SECONDS = 0.6
PARTIAL_EVERY_SECONDS = 0.6
_PARTIAL_SHARE = 4.0
# So much finished speech may wait for the model; more, and no sound is taken until it is through.
_WAITING_SECONDS = 60.0
# An open microphone brings sound even while nobody speaks: the place of one that brings less than a
# twentieth of the time is for others. Longer than a client may send nothing at all.
_OWED_SECONDS_A_SECOND = 0.05
_OWED_WINDOW_SECONDS = 120.0
# In silence, too, the other side is told now and then what it need not keep.
_SETTLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PartialText:
    """What is being said since `since_seconds`, as far as it can be recognised; it will change."""

    text: str
    since_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class FinalSentences:
    """Written down for good: these sentences, and with them all sound before `until_seconds` (from
    the beginning of the sound that was given). `plain` is what the model wrote, as partial texts
    are: no punctuation, no digits."""

    segments: list[Segment]
    until_seconds: float
    plain: str = ""


LiveEvent = PartialText | FinalSentences | SeacodError
T = TypeVar("T")


class LiveSession:
    """From `LiveSessions.open`; it ends with its block.

    Args:
        request: who speaks, with which hotwords.
        microphone: cuts the sound.
        assembly: of the transcript.
        scheduler: has the model.
        thread: for the microphone.
        is_idle: whether no other request waits for the model.
        offset_seconds: where in the recording this session begins.
        track: hears who speaks, for the transcript; None where nobody asks.
        partial_every_seconds: a first text of what is being said is wanted so often.
        clock: seconds, monotonic, by which sound is owed.
    """

    def __init__(
        self,
        request: RecognitionRequest,
        microphone: Microphone,
        assembly: Assembly,
        scheduler: Scheduler,
        thread: Executor,
        *,
        is_idle: Callable[[], bool],
        offset_seconds: float,
        track: SpeakerTrack | None = None,
        partial_every_seconds: float = PARTIAL_EVERY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._request = request
        self._request.decoded_seconds = offset_seconds
        self._microphone = microphone
        self._assembly = assembly
        self._scheduler = scheduler
        self._thread = thread
        self._is_idle = is_idle
        self._track = track
        self._partial_every_seconds = partial_every_seconds
        self._offset = round(offset_seconds * SAMPLE_RATE)
        # To the client, in order; None is the end.
        self.events: asyncio.Queue[LiveEvent | None] = asyncio.Queue()
        # What ends it: None in order, else why.
        self._pieces: asyncio.Queue[
            tuple[Piece, asyncio.Future[PieceResult]] | SeacodError | None
        ] = asyncio.Queue()
        self._owed = LeastRate(_OWED_SECONDS_A_SECOND, _OWED_WINDOW_SECONDS, clock)
        self._is_over = False
        self._waiting_samples = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._partial: asyncio.Task[None] | None = None
        self._next_partial_at = 0.0
        self._settled = 0
        self._hint = FormatHint()
        # After `finish`.
        self.transcript: Transcript | None = None

    async def __aenter__(self) -> LiveSession:
        self._writing = asyncio.ensure_future(self._write_pieces())
        self._watching = asyncio.ensure_future(self._watch_sound())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._scheduler.give_up(self._request)
        if self._track is not None:
            self._track.close()
        for task in (self._watching, self._partial, self._writing):
            if task is not None:
                await end_task(task)

    @property
    def seconds(self) -> float:
        """How much sound there was, with that of the sessions before."""
        return self._request.decoded_seconds

    async def feed(self, sound: bytes) -> None:
        """Take more sound; returns when more may come.

        Args:
            sound: 16-bit signed samples, little-endian, one channel.

        Raises:
            BadRequest: half a sample, or no samples at all.
        """
        if len(sound) % 2:
            raise BadRequest(
                "sound: 16-bit samples have an even number of bytes", "音频数据长度须为偶数字节"
            )
        # A message may hold minutes: never more than a second of it is sound in memory.
        step = 2 * self._microphone.rate
        for at in range(0, len(sound), step):
            await self._feed_some(sound[at : at + step])

    async def _feed_some(self, sound: bytes) -> None:
        if self._is_over:
            return
        self._hint.look(sound)
        seconds = len(sound) / 2 / self._microphone.rate
        with self._owed.taking(seconds):
            await self._has_room.wait()
            self._request.decoded_seconds += seconds
            for piece in await self._on_thread(lambda: self._microphone.feed(sound)):
                self._submit(piece)
        self._settle_silence()
        self._begin_partial()

    async def finish(self) -> Transcript:
        """Recognise the rest, after the last sound; the whole transcript."""
        await self._end_sound(None)
        await asyncio.wait({self._writing})
        self._request.speech_seconds = self._microphone.cutter.speech / SAMPLE_RATE
        self._request.processing_seconds = self._request.inference_seconds
        self.transcript = self._assembly.transcript()
        if self._track is not None:
            self.transcript = await self._track.named(self.transcript)
        self.events.put_nowait(None)
        return self.transcript

    async def _watch_sound(self) -> None:
        """End it when too little comes; what was said is written down first."""
        while True:
            await asyncio.sleep(self._owed.left_seconds)
            if self._is_over:
                return
            if self._owed.is_behind():
                break
        came, window = self._owed.came, self._owed.window_seconds
        log.info("live_too_little_sound", seconds=round(came, 1), within_seconds=window)
        await self._end_sound(
            BadRequest(
                f"only {came:.1f} s of sound came within {window:g} s, and an open microphone "
                f"sends at least {self._owed.least:g}: its place is for others now; connect again "
                "to go on",
                f"{window:g} 秒内只收到 {came:.1f} 秒音频（至少应为 {self._owed.least:g} 秒），"
                "该路录音已结束并让出名额；请重新连接后继续",
            )
        )

    async def _end_sound(self, reason: SeacodError | None) -> None:
        """No more is taken; `reason` is told after the texts, None where it is over in order."""
        if self._is_over:
            return
        self._is_over = True
        for piece in await self._on_thread(self._microphone.finish):
            self._submit(piece)
        self._pieces.put_nowait(reason)

    # -- finished speech ------------------------------------------------------------------------

    def _submit(self, piece: Piece) -> None:
        self._stop_partial()
        self._waiting_samples += len(piece.samples)
        if self._waiting_samples > _WAITING_SECONDS * SAMPLE_RATE:
            self._has_room.clear()
        result = self._scheduler.submit(self._request, piece.samples)
        if self._track is not None:
            self._track.hear(self._placed(piece))
        self._pieces.put_nowait((piece, result))

    async def _write_pieces(self) -> None:
        """Write down the pieces in their order, until one fails or the last is done."""
        try:
            while (next_one := await self._pieces.get()) is not None:
                if isinstance(next_one, SeacodError):
                    raise next_one
                self.events.put_nowait(await self._write_down(*next_one))
        except SeacodError as error:
            self.events.put_nowait(error)
        except Exception:
            log.exception("live_piece_broke")
            self.events.put_nowait(InferenceFailed.unforeseen())
        finally:
            # `feed` must not wait for ever.
            self._has_room.set()

    async def _write_down(
        self, piece: Piece, result: asyncio.Future[PieceResult]
    ) -> FinalSentences:
        try:
            recognised = await result
        finally:
            self._waiting_samples -= len(piece.samples)
            if self._waiting_samples <= _WAITING_SECONDS * SAMPLE_RATE / 2:
                self._has_room.set()
        if self._track is not None:
            await self._track.heard()
        segments = await self._assembly.add(self._placed(piece), recognised)
        self._settled = piece.end
        return FinalSentences(segments, piece.end / SAMPLE_RATE, recognised.recognised.text)

    def _placed(self, piece: Piece) -> Piece:
        """Where it lies in the whole recording."""
        return replace(piece, start=piece.start + self._offset)

    def _settle_silence(self) -> None:
        needed = self._microphone.cutter.needed_from
        if not self._waiting_samples and needed - self._settled > _SETTLE_SECONDS * SAMPLE_RATE:
            self._settled = needed
            self.events.put_nowait(FinalSentences([], needed / SAMPLE_RATE))

    # -- unfinished speech ----------------------------------------------------------------------

    def _begin_partial(self) -> None:
        now = time.monotonic()
        if self._partial is not None or now < self._next_partial_at or self._waiting_samples:
            return
        if not self._is_idle():
            return
        speech = self._microphone.cutter.open_speech
        if len(speech) >= _PARTIAL_SECONDS * SAMPLE_RATE:
            since = self.seconds - len(speech) / SAMPLE_RATE
            self._partial = asyncio.ensure_future(self._recognise_partial(speech, since))

    async def _recognise_partial(self, speech: Samples, since_seconds: float) -> None:
        began = time.monotonic()
        request = RecognitionRequest(self._request.client, self._request.hotwords)
        try:
            result = await self._scheduler.submit(request, speech)
            self.events.put_nowait(PartialText(result.recognised.text, since_seconds))
        except Exception as error:
            # When the speech is finished, it is recognised again and an error told.
            log.debug("partial_failed", error=str(error))
        finally:
            self._scheduler.give_up(request)
            took = time.monotonic() - began
            self._next_partial_at = began + max(self._partial_every_seconds, _PARTIAL_SHARE * took)
            self._partial = None

    def _stop_partial(self) -> None:
        if self._partial is not None:
            self._partial.cancel()
            self._partial = None

    async def _on_thread(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, act)
