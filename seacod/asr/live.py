"""Somebody speaks into a microphone: sound comes as it is made, text goes back while they speak.

What is being said is heard again and again as a guess, while the model has nothing better to do;
after a pause it is heard once more, for good. Voice activity runs on one thread for all microphones
(`seacod-live`), recognition where all recognition does (`scheduler.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

import av
import numpy as np
import numpy.typing as npt
import onnxruntime
import structlog

from seacod.asr import hotwords
from seacod.asr.assembly import Assembly
from seacod.asr.audio import SAMPLE_RATE, Samples
from seacod.asr.counting import Counts
from seacod.asr.decoder.cutting import Cutter, Piece
from seacod.asr.decoder.voice import Voice, network
from seacod.asr.engine import Engine
from seacod.asr.hotwords import Hotwords
from seacod.asr.pipeline import RecordingFigures
from seacod.asr.scheduler import Heard, Order, Scheduler
from seacod.config.limits import LimitSettings
from seacod.config.schema import Settings
from seacod.errors import BadRequest, InferenceFailed, QueueFull, SeacodError
from seacod.transcript import Segment, Transcript

log = structlog.get_logger(__name__)

ROUTE = "/live"
# Rates a microphone may have.
_LOWEST_RATE, _HIGHEST_RATE = 8_000, 192_000
# A guess is made of at least so much speech, and so long after the one before; the second also
# grows with what a guess costs, so that guessing takes a quarter of the model's time at most.
_GUESS_SECONDS = 0.6
_GUESS_EVERY_SECONDS = 0.6
_GUESS_SHARE = 4.0
# So much finished speech may wait for the model; more, and no sound is taken until it is heard.
_WAITING_SECONDS = 60.0
# In silence, too, the other side is told now and then what it need not keep.
_SETTLE_SECONDS = 5.0
_RETRY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Guess:
    """What is being said, as far as it can be heard; it will change."""

    text: str


@dataclass(frozen=True, slots=True)
class Settled:
    """Written down for good: these sentences, and with them all sound before `until_seconds` (from
    the beginning of the sound that was given)."""

    segments: list[Segment]
    until_seconds: float


News = Guess | Settled | SeacodError
Write = Callable[[Assembly, Piece, Heard], Awaitable[list[Segment]]]


class LiveSessions:
    """Where sessions are opened; one for a worker.

    Args:
        settings: those of the worker.
        limits: asked each time; a reload may change them.
        scheduler: has the model.
        assemble: makes an empty assembly.
        write: adds a heard piece to one, punctuated.
        is_idle: whether nobody else waits for the model.
        counts: where sessions are counted as requests.
        elsewhere: sessions at the other workers of the service, which share the limit.
    """

    def __init__(
        self,
        settings: Settings,
        limits: Callable[[], LimitSettings],
        scheduler: Scheduler,
        assemble: Callable[[], Assembly],
        write: Write,
        is_idle: Callable[[], bool],
        counts: Counts,
        elsewhere: Callable[[], int] = lambda: 0,
    ) -> None:
        self._elsewhere = elsewhere
        self._longest_piece_seconds = settings.asr.max_segment_seconds
        self._limits = limits
        self.scheduler = scheduler
        self.assemble = assemble
        self.write = write
        self.is_idle = is_idle
        self._counts = counts
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="seacod-live")
        self.sessions = 0
        self._network: asyncio.Future[onnxruntime.InferenceSession] | None = None

    @asynccontextmanager
    async def open(
        self,
        words: str,
        *,
        client: str,
        rate: int,
        before: Sequence[Segment] = (),
        offset_seconds: float = 0.0,
    ) -> AsyncGenerator[LiveSession]:
        """A session for the time of the block.

        Args:
            words: hotwords as the user typed them.
            client: who speaks; clients take turns at the model.
            rate: samples a second of what will be fed.
            before: sentences of earlier sessions of the same recording.
            offset_seconds: where in that recording this session begins.

        Raises:
            QueueFull: as many go on as there may be.
            BadRequest: no microphone has that rate.
        """
        began = time.monotonic()
        self._counts.request(ROUTE)
        try:
            self._check_room()
            clean = hotwords.parse(words, self._limits().max_hotwords)
            longest = self._longest_piece_seconds
            session = LiveSession(self, client, clean, rate, longest, before, offset_seconds)
            async with session:
                self._counts.microphones(self.sessions)
                yield session
        except BaseException as error:
            self._counts.failure(ROUTE, error, time.monotonic() - began)
            raise
        finally:
            self._counts.microphones(self.sessions)
        if session.transcript is not None:
            self._counts.success(ROUTE, session.transcript, session.transcript.processing_seconds)

    def _check_room(self) -> None:
        count = self.sessions + self._elsewhere()
        if count >= self._limits().live_sessions:
            raise QueueFull(
                f"{count} live recordings are going on already, which is the limit; try "
                "again when one has ended",
                f"已有 {count} 路实时录音正在进行，达到上限；请稍后重试",
                retry_after_seconds=_RETRY_SECONDS,
            )

    async def voice(self) -> Voice:
        """Voice activity for one microphone; the network is read once."""
        loop = asyncio.get_running_loop()
        if self._network is None:
            self._network = asyncio.ensure_future(loop.run_in_executor(self.thread, network))
        return Voice(await asyncio.shield(self._network))

    def close(self) -> None:
        self.thread.shutdown(wait=False, cancel_futures=True)


class LiveSession:
    """One microphone, from `LiveSessions.open`. It ends with its block."""

    def __init__(
        self,
        sessions: LiveSessions,
        client: str,
        words: Hotwords,
        rate: int,
        longest_piece_seconds: float,
        before: Sequence[Segment],
        offset_seconds: float,
    ) -> None:
        if not _LOWEST_RATE <= rate <= _HIGHEST_RATE:
            raise BadRequest(
                f"sample_rate: {rate} is none of a microphone; {_LOWEST_RATE} to {_HIGHEST_RATE}",
                f"sample_rate：{rate} 不在 {_LOWEST_RATE} 到 {_HIGHEST_RATE} 之间",
            )
        self._sessions = sessions
        self._client = client
        self._words = words
        self._rate = rate
        self._cutter = Cutter(longest_piece_seconds)
        self._offset_seconds = offset_seconds
        self._assembly = sessions.assemble()
        self._assembly.segments.extend(before)
        self._order = Order(client, words.prompt)
        self._figures = RecordingFigures(decoded_seconds=offset_seconds)
        # To the client, in order; None is the end.
        self.news: asyncio.Queue[News | None] = asyncio.Queue()
        self._pieces: asyncio.Queue[tuple[Piece, asyncio.Future[Heard]] | None] = asyncio.Queue()
        self._waiting_samples = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._guessing: asyncio.Task[None] | None = None
        self._next_guess = 0.0
        self._settled = 0
        # After `finish`.
        self.transcript: Transcript | None = None

    async def __aenter__(self) -> LiveSession:
        self._sessions.sessions += 1
        try:
            self._voice = await self._sessions.voice()
        except BaseException:
            self._sessions.sessions -= 1
            raise
        self._resampler = None
        if self._rate != SAMPLE_RATE:
            self._resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        self._hearing = asyncio.ensure_future(self._hear())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._sessions.sessions -= 1
        self._sessions.scheduler.give_up(self._order)
        tasks = {task for task in (self._hearing, self._guessing) if task is not None}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    @property
    def seconds(self) -> float:
        """How much sound there was, with that of the sessions before."""
        return self._figures.decoded_seconds

    async def feed(self, sound: bytes) -> None:
        """More sound; comes back when more may come.

        Args:
            sound: 16-bit signed samples, little-endian, one channel.

        Raises:
            BadRequest: half a sample.
        """
        if len(sound) % 2:
            raise BadRequest(
                "sound: 16-bit samples have an even number of bytes", "音频数据长度须为偶数字节"
            )
        await self._has_room.wait()
        self._figures.decoded_seconds += len(sound) / 2 / self._rate
        pieces = await self._on_thread(lambda: self._cut(sound))
        for piece in pieces:
            self._submit(piece)
        self._settle_silence()
        self._guess()

    async def finish(self, engine: Engine) -> Transcript:
        """Nothing more comes: hear the rest, and give everything."""
        for piece in await self._on_thread(self._cut_rest):
            self._submit(piece)
        self._pieces.put_nowait(None)
        await asyncio.wait({self._hearing})
        self._figures.speech_seconds = self._cutter.speech / SAMPLE_RATE
        self.transcript = self._assembly.transcript(
            self._figures,
            self._words,
            engine,
            processing_seconds=self._figures.inference_seconds,
            queue_seconds=0.0,
        )
        self.news.put_nowait(None)
        return self.transcript

    # -- on the thread `seacod-live` -----------------------------------------------------------

    def _cut(self, sound: bytes) -> list[Piece]:
        samples = np.frombuffer(sound, dtype="<i2")
        return self._take(self._at_our_rate(samples))

    def _cut_rest(self) -> list[Piece]:
        pieces = self._take(_samples(self._resampler.resample(None))) if self._resampler else []
        pieces += self._cutter.feed(np.zeros(0, dtype=np.float32), self._voice.end())
        return pieces + self._cutter.finish()

    def _take(self, samples: Samples) -> list[Piece]:
        return self._cutter.feed(samples, self._voice.hear(samples))

    def _at_our_rate(self, samples: npt.NDArray[np.int16]) -> Samples:
        if self._resampler is None:
            return samples.astype(np.float32) / 32768.0
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self._rate
        return _samples(self._resampler.resample(frame))

    # -- on the event loop ----------------------------------------------------------------------

    def _submit(self, piece: Piece) -> None:
        self._stop_guessing()
        self._waiting_samples += len(piece.samples)
        if self._waiting_samples > _WAITING_SECONDS * SAMPLE_RATE:
            self._has_room.clear()
        result = self._sessions.scheduler.submit(self._order, piece.samples)
        self._pieces.put_nowait((piece, result))

    async def _hear(self) -> None:
        """What the model made of the pieces, in their order, until one fails or none comes."""
        try:
            while (pair := await self._pieces.get()) is not None:
                self.news.put_nowait(await self._write_down(*pair))
        except SeacodError as error:
            self.news.put_nowait(error)
        except Exception:
            log.exception("live_piece_broke")
            self.news.put_nowait(InferenceFailed.unforeseen())
        finally:
            # Nobody waits for room that never comes.
            self._has_room.set()

    async def _write_down(self, piece: Piece, result: asyncio.Future[Heard]) -> Settled:
        try:
            heard = await result
        finally:
            self._waiting_samples -= len(piece.samples)
            if self._waiting_samples <= _WAITING_SECONDS * SAMPLE_RATE / 2:
                self._has_room.set()
        self._figures.inference_seconds += heard.inference_seconds
        offset = round(self._offset_seconds * SAMPLE_RATE)
        placed = Piece(piece.start + offset, piece.samples)
        segments = await self._sessions.write(self._assembly, placed, heard)
        self._settled = piece.end
        return Settled(segments, piece.end / SAMPLE_RATE)

    def _settle_silence(self) -> None:
        needed = self._cutter.needed_from
        if not self._waiting_samples and needed - self._settled > _SETTLE_SECONDS * SAMPLE_RATE:
            self._settled = needed
            self.news.put_nowait(Settled([], needed / SAMPLE_RATE))

    def _guess(self) -> None:
        now = time.monotonic()
        if self._guessing is not None or now < self._next_guess or self._waiting_samples:
            return
        if not self._sessions.is_idle():
            return
        speech = self._cutter.open_speech
        if len(speech) < _GUESS_SECONDS * SAMPLE_RATE:
            return
        self._guessing = asyncio.ensure_future(self._guess_at(speech))

    async def _guess_at(self, speech: Samples) -> None:
        began = time.monotonic()
        order = Order(self._client, self._words.prompt)
        try:
            heard = await self._sessions.scheduler.submit(order, speech)
            self.news.put_nowait(Guess(heard.recognised.text))
        except Exception as error:
            # Only a guess: when the speech is finished, it is heard again and an error told.
            log.debug("guess_failed", error=str(error))
        finally:
            self._sessions.scheduler.give_up(order)
            took = time.monotonic() - began
            self._next_guess = began + max(_GUESS_EVERY_SECONDS, _GUESS_SHARE * took)
            self._guessing = None

    def _stop_guessing(self) -> None:
        if self._guessing is not None:
            self._guessing.cancel()
            self._guessing = None

    async def _on_thread(self, act: Callable[[], list[Piece]]) -> list[Piece]:
        return await asyncio.get_running_loop().run_in_executor(self._sessions.thread, act)


def _samples(frames: list[av.AudioFrame]) -> Samples:
    parts = [frame.to_ndarray().reshape(-1) for frame in frames]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)
