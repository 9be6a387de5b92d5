"""One recording, from the file to what is said in it: decoded, cut, recognised as it streams.

However long it is, only some minutes of its sound are in memory at a time: the decoder stands still
while that much waits for the model. Lives on the event loop; everything costly is elsewhere.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from seacod.asr.audio import SAMPLE_RATE
from seacod.asr.cache import Cut, CutCache
from seacod.asr.decoder.pool import Decoders
from seacod.asr.decoder.wire import DecodeTask
from seacod.asr.piece import Piece
from seacod.asr.piece_queue import PieceResult
from seacod.asr.recognisers.base import Voice
from seacod.asr.request import RecordingRequest, SoundFindings
from seacod.asr.scheduler import Scheduler
from seacod.errors import Poisonous
from seacod.system.files.digest import sha256_of
from seacod.system.processes.waiting import end_task
from seacod.transcript import TranscriptWarning
from seacod.with_model import ENDS_ARE_POISON

# A recording whose header does not say how long it is: compressed speech at 32 kbit/s.
_BYTES_A_SECOND_COMPRESSED = 4000


class SampleBudget:
    """Decoded sound that may wait for the model, of all recordings together and of one.

    Args:
        all_bytes: together.
        one_bytes: of one recording; one piece always may.
    """

    def __init__(self, all_bytes: int, one_bytes: int) -> None:
        self.all_bytes = all_bytes
        self.one_bytes = one_bytes
        self._used = 0
        self._freed = asyncio.Condition()

    async def take(self, wanted: int, held: Callable[[], int]) -> None:
        """Wait until there is room for `wanted` bytes more, given what this recording `held`."""
        async with self._freed:
            await self._freed.wait_for(
                lambda: (
                    not held()
                    or (held() + wanted <= self.one_bytes and self._used + wanted <= self.all_bytes)
                )
            )
            self._used += wanted

    async def give(self, freed: int) -> None:
        async with self._freed:
            self._used -= freed
            self._freed.notify_all()


def _nobody_listens(_digest: str) -> None:
    """Without a supervisor."""


@dataclass(slots=True)
class RecordingPipeline:
    """Everything that turns recordings into recognised pieces; one for all requests.

    Args:
        decoders: decode and cut.
        scheduler: has the model.
        cache: recordings that were cut already.
        memory: bounds what waits.
        threads: for reading files.
        max_piece_seconds: no piece is longer.
        joins_sentences: the model hears several in one piece as well as each alone.
        voice: makes the voice activity of FunASR's, or None for silero-vad; with the thread for it.
            Told whether the recording fits into one piece.
    """

    decoders: Decoders
    scheduler: Scheduler
    cache: CutCache
    memory: SampleBudget
    threads: Executor
    max_piece_seconds: float
    joins_sentences: bool = True
    voice: Callable[[bool], Voice] | None = None
    voice_thread: Executor | None = None
    # At how many ends of workers a recording was with the model, by its digest.
    suspects: Mapping[str, int] = field(default_factory=dict)
    # Called with the digest of one that was heard to its end nevertheless.
    on_acquitted: Callable[[str], None] = _nobody_listens

    async def inspect(self, request: RecordingRequest) -> float:
        """Read the header.

        Returns:
            How many seconds it says, or are to be expected.

        Raises:
            SeacodError: the recording cannot be used.
        """
        info = await self.decoders.inspect(
            request.path,
            self._task(request, "inspect"),
            client=request.client,
            is_bulk=request.is_bulk,
        )
        request.known_seconds = info.duration_seconds
        guess = min(request.max_seconds, info.size_bytes / _BYTES_A_SECOND_COMPRESSED)
        return info.duration_seconds or guess

    async def run(
        self, request: RecordingRequest
    ) -> AsyncGenerator[tuple[Piece, PieceResult], None]:
        """Each piece of speech with what was recognised in it, in the order of the recording.

        Raises:
            SeacodError: the recording cannot be used, or the model failed on it.
        """
        await self._identify(request)
        waiting: asyncio.Queue[tuple[Piece, asyncio.Future[PieceResult]] | None] = asyncio.Queue()
        held = [0]

        async def bring() -> None:
            try:
                async with contextlib.aclosing(self._pieces(request)) as pieces:
                    async for piece in pieces:
                        size = piece.samples.nbytes
                        await self.memory.take(size, lambda: held[0])
                        held[0] += size
                        request.pieces_found += 1
                        request.on_piece(piece)
                        waiting.put_nowait((piece, self.scheduler.submit(request, piece.samples)))
            finally:
                self.scheduler.expected -= 1
                waiting.put_nowait(None)

        self.scheduler.expected += 1
        bringing = asyncio.ensure_future(bring())
        try:
            while (pair := await waiting.get()) is not None:
                piece, result = pair
                recognised = await result
                size = piece.samples.nbytes
                held[0] -= size
                await self.memory.give(size)
                yield piece, recognised
            await bringing
            if request.is_suspect:
                self.on_acquitted(request.digest)
        finally:
            self.scheduler.give_up(request)
            await end_task(bringing)
            await self.memory.give(held[0])

    async def _identify(self, request: RecordingRequest) -> None:
        """Tell recordings apart by their content, since that is what ends workers.

        Raises:
            Poisonous: it did so twice.
        """
        loop = asyncio.get_running_loop()
        request.digest = await loop.run_in_executor(self.threads, sha256_of, request.path)
        ends = self.suspects.get(request.digest, 0)
        request.is_suspect = ends > 0
        if ends >= ENDS_ARE_POISON:
            raise Poisonous(
                f"{request.name or 'the recording'} was with the model {ends} times when it broke "
                "down, and is not tried again today; convert or cut it, or ask whoever runs this "
                "service to look at it (seacod crashes)",
                f"{request.name or '该录音'}曾 {ends} 次导致识别进程异常退出，今天不再尝试；"
                "请转换格式或切分后重试，或联系管理员查看（seacod crashes）",
            )

    async def _pieces(self, request: RecordingRequest) -> AsyncGenerator[Piece, None]:
        """From the cache, or decoded and kept there."""
        if request.is_long:
            # Nothing that would be kept.
            async with contextlib.aclosing(self._cut(request)) as pieces:
                async for piece in pieces:
                    yield piece
            return
        key = f"{request.digest}/{self.max_piece_seconds:g}"
        key += f"/{request.choice.track}/{request.choice.channels}"
        cut = self.cache.get(key)
        if cut is not None and cut.samples <= request.max_seconds * SAMPLE_RATE:
            request.decoded_seconds = cut.samples / SAMPLE_RATE
            request.speech_seconds = cut.speech / SAMPLE_RATE
            request.found = cut.found
            for piece in cut.pieces:
                yield piece
            return
        kept: list[Piece] | None = []
        kept_bytes = 0
        async with contextlib.aclosing(self._cut(request)) as pieces:
            async for piece in pieces:
                kept_bytes += piece.samples.nbytes
                # One whose length was guessed may be long all the same.
                if kept is not None and kept_bytes <= self.cache.most_bytes:
                    kept.append(piece)
                else:
                    kept = None
                yield piece
        if kept is None:
            return
        samples = round(request.decoded_seconds * SAMPLE_RATE)
        speech = round(request.speech_seconds * SAMPLE_RATE)
        self.cache.put(key, Cut(tuple(kept), samples, speech, request.found))

    async def _cut(self, request: RecordingRequest) -> AsyncGenerator[Piece, None]:
        """Decoded and cut in the decoding process; with a voice of FunASR's cut here."""
        make_voice = self.voice
        # Of each lane: its voice activity, and where it begins.
        voices: dict[int, Voice] = {}
        starts: dict[int, int] = {}
        task = self._task(request, "pieces" if make_voice is None else "samples")
        loop = asyncio.get_running_loop()
        async with contextlib.aclosing(
            self.decoders.run(
                request.path,
                task,
                client=request.client,
                is_long=request.is_long,
                is_bulk=request.is_bulk,
            )
        ) as frames:
            async for frame in frames:
                if frame.kind == "done":
                    request.decoded_seconds = frame.body["samples"] / SAMPLE_RATE
                    request.speech_seconds = frame.body["speech"] / SAMPLE_RATE
                    request.decoding_seconds = frame.body["decode"]
                    request.voice_seconds = frame.body["listen"]
                    request.found = _found(frame.body)
                elif frame.kind == "at":
                    request.decoded_seconds = frame.position / SAMPLE_RATE
                elif frame.samples is None:
                    continue
                elif make_voice is None:
                    yield Piece(frame.position, frame.samples, frame.lane, frame.speech_probability)
                else:
                    request.decoded_seconds = (frame.position + len(frame.samples)) / SAMPLE_RATE
                    if frame.lane not in voices:
                        voices[frame.lane] = make_voice(self._is_clip(request))
                        starts[frame.lane] = frame.position
                    for piece in await loop.run_in_executor(
                        self.voice_thread, voices[frame.lane].feed, frame.samples
                    ):
                        yield _placed(piece, starts[frame.lane], frame.lane)
        for lane, voice in voices.items():
            for piece in await loop.run_in_executor(self.voice_thread, voice.end):
                yield _placed(piece, starts[lane], lane)
            request.speech_seconds += voice.speech / SAMPLE_RATE

    def _task(
        self, request: RecordingRequest, want: Literal["inspect", "pieces", "samples"]
    ) -> DecodeTask:
        limits = request.limits
        return DecodeTask(
            want, request.max_seconds, limits.max_upload_bytes, self.max_piece_seconds,
            self._is_clip(request), request.choice.track, request.choice.channels,
        )  # fmt: skip

    def _is_clip(self, request: RecordingRequest) -> bool:
        """Whether the whole recording fits into one piece, and is heard in one as well."""
        known = request.known_seconds
        return self.joins_sentences and known is not None and known <= self.max_piece_seconds


def _placed(piece: Piece, start: int, lane: int) -> Piece:
    return replace(piece, start=piece.start + start, lane=lane)


def _found(body: dict[str, Any]) -> SoundFindings:
    """What a decoder says that it found."""
    return SoundFindings(
        tuple(TranscriptWarning(**one) for one in body["warnings"]),
        float(body["missing_seconds"]),
        {int(lane): str(label) for lane, label in body["labels"].items()},
        base64.b64decode(body["peaks"]),
    )
