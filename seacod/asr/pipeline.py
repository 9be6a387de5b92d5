"""One recording, from the file to what was heard in it: decoded, cut, recognised as it streams.

However long it is, only some minutes of its sound are in memory at a time: the decoder stands still
while that much waits for the model. Lives on the event loop; everything costly is elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from seacod.asr.audio import SAMPLE_RATE
from seacod.asr.cache import Cut, CutCache
from seacod.asr.decoder.cutting import Piece
from seacod.asr.decoder.pool import Decoders
from seacod.asr.decoder.wire import DecodeTask
from seacod.asr.funasr_voice import FunasrVoice
from seacod.asr.scheduler import Heard, Order, Scheduler
from seacod.system.digest import sha256_of


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


@dataclass(slots=True)
class RecordingFigures:
    """What listening cost, filled in on the way. Lengths in seconds."""

    decoded_seconds: float = 0.0
    speech_seconds: float = 0.0
    decoding_seconds: float = 0.0
    voice_seconds: float = 0.0
    inference_seconds: float = 0.0
    pieces_found: int = 0
    # Whether the recording is one that keeps a decoder for minutes; known beforehand.
    is_long: bool = False


@dataclass(slots=True)
class RecordingPipeline:
    """Everything that turns recordings into heard pieces; one for all requests.

    Args:
        decoders: decode and cut.
        scheduler: has the model.
        cache: recordings that were cut already.
        memory: bounds what waits.
        threads: for reading files.
        voice: makes the voice activity of FunASR's, or None for silero-vad; with the thread for it.
    """

    decoders: Decoders
    scheduler: Scheduler
    cache: CutCache
    memory: SampleBudget
    threads: Executor
    voice: Callable[[], FunasrVoice] | None = None
    voice_thread: Executor | None = None

    async def run(
        self, path: Path, task: DecodeTask, order: Order, figures: RecordingFigures
    ) -> AsyncGenerator[tuple[Piece, Heard], None]:
        """Each piece of speech with what was heard in it, in the order of the recording.

        Raises:
            SeacodError: the recording cannot be used, or the model failed on it.
        """
        waiting: asyncio.Queue[tuple[Piece, asyncio.Future[Heard]] | None] = asyncio.Queue()
        held = [0]

        async def bring() -> None:
            try:
                async with contextlib.aclosing(self._pieces(path, task, figures)) as pieces:
                    async for piece in pieces:
                        size = piece.samples.nbytes
                        await self.memory.take(size, lambda: held[0])
                        held[0] += size
                        figures.pieces_found += 1
                        result = self.scheduler.submit(order, piece.samples)
                        waiting.put_nowait((piece, result))
            finally:
                self.scheduler.expected -= 1
                waiting.put_nowait(None)

        self.scheduler.expected += 1
        bringing = asyncio.ensure_future(bring())
        try:
            while (pair := await waiting.get()) is not None:
                piece, result = pair
                heard = await result
                size = piece.samples.nbytes
                held[0] -= size
                await self.memory.give(size)
                figures.inference_seconds += heard.inference_seconds
                yield piece, heard
            await bringing
        finally:
            self.scheduler.give_up(order)
            bringing.cancel()
            await asyncio.wait({bringing})
            # What became of it was raised above, or nobody is there to hear it.
            bringing.cancelled() or bringing.exception()
            await self.memory.give(held[0])

    async def _pieces(
        self, path: Path, task: DecodeTask, figures: RecordingFigures
    ) -> AsyncGenerator[Piece, None]:
        cut_here = self._decoded if self.voice is None else self._heard_by_funasr
        if figures.is_long:
            # Nothing that would be kept, and a long time to read for nothing.
            async with contextlib.aclosing(cut_here(path, task, figures)) as pieces:
                async for piece in pieces:
                    yield piece
            return
        loop = asyncio.get_running_loop()
        key = await loop.run_in_executor(self.threads, sha256_of, path)
        key += f"/{task.max_piece_seconds:g}"
        cut = self.cache.get(key)
        if cut is not None and cut.samples <= task.max_seconds * SAMPLE_RATE:
            figures.decoded_seconds = cut.samples / SAMPLE_RATE
            figures.speech_seconds = cut.speech / SAMPLE_RATE
            for piece in cut.pieces:
                yield piece
            return
        kept: list[Piece] = []
        async with contextlib.aclosing(cut_here(path, task, figures)) as pieces:
            async for piece in pieces:
                kept.append(piece)
                yield piece
        samples = round(figures.decoded_seconds * SAMPLE_RATE)
        speech = round(figures.speech_seconds * SAMPLE_RATE)
        self.cache.put(key, Cut(tuple(kept), samples, speech))

    async def _decoded(
        self, path: Path, task: DecodeTask, figures: RecordingFigures
    ) -> AsyncGenerator[Piece, None]:
        """Cut in the decoding process."""
        async with contextlib.aclosing(
            self.decoders.run(path, task, is_long=figures.is_long)
        ) as frames:
            async for frame in frames:
                if frame.samples is not None:
                    yield Piece(frame.position, frame.samples)
                elif frame.kind == "at":
                    figures.decoded_seconds = frame.position / SAMPLE_RATE
                elif frame.kind == "done":
                    _note(figures, frame.body)
                    figures.speech_seconds = frame.body["speech"] / SAMPLE_RATE

    async def _heard_by_funasr(
        self, path: Path, task: DecodeTask, figures: RecordingFigures
    ) -> AsyncGenerator[Piece, None]:
        """Decoded there, cut here."""
        assert self.voice is not None
        voice = self.voice()
        loop = asyncio.get_running_loop()
        async with contextlib.aclosing(
            self.decoders.run(path, task, is_long=figures.is_long)
        ) as frames:
            async for frame in frames:
                if frame.samples is not None:
                    figures.decoded_seconds = (frame.position + len(frame.samples)) / SAMPLE_RATE
                    pieces = await loop.run_in_executor(
                        self.voice_thread, voice.hear, frame.samples
                    )
                    for piece in pieces:
                        yield piece
                elif frame.kind == "done":
                    _note(figures, frame.body)
        for piece in await loop.run_in_executor(self.voice_thread, voice.end):
            yield piece
        figures.speech_seconds = voice.speech / SAMPLE_RATE


def _note(figures: RecordingFigures, done: dict[str, float]) -> None:
    figures.decoded_seconds = done["samples"] / SAMPLE_RATE
    figures.decoding_seconds = done["decode"]
    figures.voice_seconds = done["listen"]
