"""A recording on its way to the model: which pieces are its own, and what it leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np

from seacod.asr.audio import SAMPLE_RATE, Samples
from seacod.asr.cache import CutCache
from seacod.asr.choice import SoundChoice
from seacod.asr.decoder.child import Frame
from seacod.asr.decoder.pool import Decoders
from seacod.asr.decoder.wire import DecodeTask
from seacod.asr.hotwords import Hotwords
from seacod.asr.pipeline import RecordingPipeline, SampleBudget
from seacod.asr.recognisers.base import Recognised, Recogniser
from seacod.asr.request import RecordingRequest
from seacod.asr.scheduler import Scheduler
from seacod.config.limits import LimitSettings

_SECOND = SAMPLE_RATE * 4


class StandInDecoders:
    """As many seconds of sound as the number of the track says; `decoded` counts."""

    def __init__(self) -> None:
        self.decoded = 0

    async def run(self, path: Path, task: DecodeTask, **_: Any) -> AsyncGenerator[Frame, None]:
        self.decoded += 1
        seconds = int(task.track or 1) + 10 * (task.channels == "split")
        for at in range(seconds):
            samples = np.zeros(SAMPLE_RATE, dtype=np.float32)
            yield Frame("piece", at * SAMPLE_RATE, {}, samples)
        done = {
            "samples": seconds * SAMPLE_RATE, "speech": seconds * SAMPLE_RATE, "decode": 0.0,
            "listen": 0.0, "warnings": [], "missing_seconds": 0.0, "labels": {}, "peaks": "",
        }  # fmt: skip
        yield Frame("done", 0, done, None)


class StandInModel:
    """Hears a letter in each piece; `before` may hold it up."""

    def __init__(self) -> None:
        self.before: Callable[[], None] = lambda: None

    def recognise(self, pieces: Sequence[Samples], *_: Any) -> list[Recognised]:
        self.before()
        return [Recognised("a", ()) for _ in pieces]

    def release_cache(self) -> None:
        pass


def piped(
    test: Callable[[RecordingPipeline, StandInDecoders, StandInModel], Coroutine[Any, Any, None]],
    memory_bytes: int = 100 * _SECOND,
) -> None:
    async def run() -> None:
        decoders, model = StandInDecoders(), StandInModel()
        scheduler = Scheduler(lambda: cast(Recogniser, model), batch_seconds=8.0)
        await scheduler.start()
        with ThreadPoolExecutor(1) as threads:
            pipeline = RecordingPipeline(
                cast(Decoders, decoders), scheduler, CutCache(1 << 30),
                SampleBudget(memory_bytes, memory_bytes), threads, max_piece_seconds=20.0,
            )  # fmt: skip
            try:
                await asyncio.wait_for(test(pipeline, decoders, model), 30)
            finally:
                scheduler.stop()

    asyncio.run(run())


def recording(folder: Path, choice: SoundChoice) -> RecordingRequest:
    path = folder / "recording.wav"
    path.write_bytes(b"one and the same content")
    return RecordingRequest(
        "somebody", Hotwords(()), path=path, limits=LimitSettings(), choice=choice
    )


async def heard(pipeline: RecordingPipeline, request: RecordingRequest) -> int:
    return len([piece async for piece in pipeline.run(request)])


def test_each_track_and_each_choice_of_channels_is_heard_for_itself(tmp_path: Path) -> None:
    async def test(pipeline: RecordingPipeline, decoders: StandInDecoders, _: StandInModel) -> None:
        for choice, seconds in (
            (SoundChoice(1), 1), (SoundChoice(3), 3), (SoundChoice(3, "split"), 13),
        ):  # fmt: skip
            for _again in range(2):
                assert await heard(pipeline, recording(tmp_path, choice)) == seconds
        # The second time each came from what was kept.
        assert decoders.decoded == 3

    piped(test)


def test_of_a_recording_that_turns_out_long_nothing_is_kept(tmp_path: Path) -> None:
    """Its length was guessed: its sound is outside of what decoded recordings may take."""

    async def test(pipeline: RecordingPipeline, decoders: StandInDecoders, _: StandInModel) -> None:
        pipeline.cache = CutCache(12 * _SECOND)
        sound: list[weakref.ref[Any]] = []
        most = 0
        async for piece, _recognised in pipeline.run(recording(tmp_path, SoundChoice(20))):
            sound.append(weakref.ref(piece.samples))
            most = max(most, sum(one() is not None for one in sound))
        # Kept are three, a quarter of what the cache may take; at most four are on their way.
        assert len(sound) == 20
        assert most < 12
        for _again in range(2):
            await heard(pipeline, recording(tmp_path, SoundChoice(2)))
        assert decoders.decoded == 2

    # The decoder waits for the model: what it has given is kept while it goes on.
    piped(test, 4 * _SECOND)


def test_a_suspect_that_is_heard_to_its_end_is_acquitted(tmp_path: Path) -> None:
    async def test(pipeline: RecordingPipeline, _: StandInDecoders, __: StandInModel) -> None:
        told: list[str] = []
        pipeline.on_acquitted = told.append
        request = recording(tmp_path, SoundChoice(1))
        await heard(pipeline, request)
        assert told == []
        pipeline.suspects = {request.digest: 1}
        await heard(pipeline, recording(tmp_path, SoundChoice(2)))
        assert told == [request.digest]

    piped(test)


def test_what_is_given_up_leaves_its_room_to_others(tmp_path: Path) -> None:
    async def test(pipeline: RecordingPipeline, _: StandInDecoders, model: StandInModel) -> None:
        loop, is_in, may_go = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

        def hold() -> None:
            loop.call_soon_threadsafe(is_in.set)
            asyncio.run_coroutine_threadsafe(may_go.wait(), loop).result(30)

        model.before = hold
        one = asyncio.ensure_future(heard(pipeline, recording(tmp_path, SoundChoice(4))))
        await is_in.wait()
        one.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await one
        may_go.set()
        model.before = lambda: None
        # It held nearly all there is; the next needs all of it.
        await pipeline.memory.take(4 * _SECOND, lambda: 1)

    piped(test, memory_bytes=5 * _SECOND)
