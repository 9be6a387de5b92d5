"""The inference thread: order, progress, giving up, errors that stay with their job.

The engine here is a stand-in that is as slow as the test wants; the real one is in test_engine.py.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

import numpy as np
import pytest

from seacod.asr.audio import SAMPLE_RATE, Samples
from seacod.asr.engine import Engine, Recognised
from seacod.asr.hotwords import Hotwords
from seacod.asr.scheduler import Job, Scheduler
from seacod.asr.segments import Span
from seacod.errors import InferenceFailed, ModelUnavailable


class SteeredEngine:
    """Finds a span every two seconds; the text of a span is its length in samples."""

    def __init__(self) -> None:
        self.threads: set[str] = set()
        self.batches: list[tuple[int, str | None]] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.is_in = threading.Event()
        self.error: Exception | None = None
        self.released = threading.Event()

    def find_speech(self, samples: Samples, longest: float) -> list[Span]:
        two = 2 * SAMPLE_RATE
        return [(i + 4000, i + two - 4000) for i in range(0, len(samples) - two + 1, two)]

    def recognise(self, pieces: Sequence[Samples], hotwords: str | None) -> list[Recognised]:
        self.threads.add(threading.current_thread().name)
        self.batches.append((len(pieces), hotwords))
        self.is_in.set()
        assert self.may_go_on.wait(30)
        if self.error is not None:
            raise self.error
        return [Recognised(str(len(piece)), ()) for piece in pieces]

    def punctuate(self, text: str) -> str:
        return text

    def release_cache(self) -> None:
        self.released.set()


@pytest.fixture
def engine() -> SteeredEngine:
    return SteeredEngine()


def scheduled(
    engine: SteeredEngine, test: Callable[[Scheduler], Coroutine[Any, Any, None]]
) -> None:
    async def run() -> None:
        # Four seconds a batch: two spans.
        scheduler = Scheduler(lambda: cast(Engine, engine), max_segment_seconds=30, batch_seconds=4)
        await scheduler.start()
        try:
            await test(scheduler)
        finally:
            engine.may_go_on.set()
            scheduler.stop()

    asyncio.run(run())


def job(seconds: float, words: str = "", log: list[Any] | None = None) -> Job:
    seen: list[Any] = [] if log is None else log
    return Job(
        np.zeros(int(seconds * SAMPLE_RATE), dtype=np.float32),
        Hotwords(tuple(words.split())),
        on_start=lambda: seen.append("start"),
        on_progress=lambda done, total: seen.append((done, total)),
    )


def test_one_thread_does_it_all_and_progress_is_told(engine: SteeredEngine) -> None:
    seen: list[Any] = []

    async def test(scheduler: Scheduler) -> None:
        heard = await scheduler.submit(job(12, "一 二", seen))
        assert len(heard.pieces) == len(heard.spans) == 6
        # In the order of the recording, whatever the order of the batches was.
        assert [int(p.text) for p in heard.pieces] == [b - a for a, b in heard.spans]

    scheduled(engine, test)
    assert seen == ["start", (0, 6), (2, 6), (4, 6), (6, 6)]
    assert engine.threads == {"seacod-inference"}
    assert engine.batches == [(2, "一 二")] * 3


def test_hotwords_of_one_never_reach_another(engine: SteeredEngine) -> None:
    async def test(scheduler: Scheduler) -> None:
        await asyncio.gather(*(scheduler.submit(job(4, word)) for word in ("甲", "乙", "")))

    scheduled(engine, test)
    assert engine.batches == [(2, "甲"), (2, "乙"), (2, None)]


def test_a_job_that_was_given_up_stops_before_its_next_batch(engine: SteeredEngine) -> None:
    engine.may_go_on.clear()

    async def test(scheduler: Scheduler) -> None:
        running, waiting = job(12), job(12)
        scheduler.submit(running)
        scheduler.submit(waiting)
        await asyncio.to_thread(engine.is_in.wait, 30)
        running.give_up()
        waiting.give_up()
        engine.may_go_on.set()
        await scheduler.submit(job(4))

    scheduled(engine, test)
    # One batch of the first, none of the second, all of the third.
    assert len(engine.batches) == 2


def test_an_error_stays_with_its_job(engine: SteeredEngine) -> None:
    async def test(scheduler: Scheduler) -> None:
        engine.error = InferenceFailed("no")
        with pytest.raises(InferenceFailed):
            await scheduler.submit(job(4))
        engine.error = None
        assert (await scheduler.submit(job(4))).pieces

    scheduled(engine, test)


def test_a_recording_without_speech_is_no_error(engine: SteeredEngine) -> None:
    async def test(scheduler: Scheduler) -> None:
        heard = await scheduler.submit(job(1))
        assert (heard.spans, heard.pieces) == ((), ())

    scheduled(engine, test)
    assert engine.batches == []


def test_the_cache_is_released_between_jobs(engine: SteeredEngine) -> None:
    async def test(scheduler: Scheduler) -> None:
        scheduler.run_soon(lambda e: e.release_cache())
        assert await asyncio.to_thread(engine.released.wait, 30)

    scheduled(engine, test)


def test_a_model_that_does_not_load_is_told_to_who_waits_for_it() -> None:
    def load() -> Engine:
        raise ModelUnavailable("there is none")

    async def run() -> None:
        scheduler = Scheduler(load, max_segment_seconds=30, batch_seconds=4)
        with pytest.raises(ModelUnavailable):
            await scheduler.start()

    asyncio.run(run())
