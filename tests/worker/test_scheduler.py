"""The inference thread: order, hotwords, giving up, memory, errors that stay with their request.

The engine here is a stand-in that is as slow as the test wants; the real one is in test_engine.py.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

import numpy as np
import pytest
from supervised import PATIENCE_SECONDS

from seacod.asr.audio import SAMPLE_RATE, Samples
from seacod.asr.hotwords import Hotwords
from seacod.asr.piece_queue import PieceResult
from seacod.asr.recognisers.base import Recognised, Recogniser
from seacod.asr.request import RecognitionRequest
from seacod.asr.scheduler import Scheduler
from seacod.errors import InferenceFailed, ModelUnavailable, OutOfMemory


class SteeredEngine:
    """The text of a piece is its length in samples."""

    def __init__(self) -> None:
        self.threads: set[str] = set()
        self.batches: list[tuple[int, list[str]]] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.is_in = threading.Event()
        self.error: Exception | None = None
        self.fails_with: BaseException | None = None
        self.fits = 1000
        self.hates = -1
        self.releases = 0
        self.released = threading.Event()

    def recognise(
        self, pieces: Sequence[Samples], hotwords: Sequence[Sequence[str]] | None = None
    ) -> list[Recognised]:
        self.threads.add(threading.current_thread().name)
        self.batches.append((len(pieces), [" ".join(words) for words in hotwords or ()]))
        self.is_in.set()
        assert self.may_go_on.wait(PATIENCE_SECONDS)
        if self.fails_with is not None:
            raise self.fails_with
        if self.error is not None:
            raise self.error
        if len(pieces) > self.fits:
            raise OutOfMemory("it does not fit", "放不下")
        if any(len(piece) == self.hates for piece in pieces):
            raise InferenceFailed("this one never", "不行")
        return [Recognised(str(len(piece)), ()) for piece in pieces]

    def release_cache(self) -> None:
        self.releases += 1
        self.released.set()


@pytest.fixture
def engine() -> SteeredEngine:
    return SteeredEngine()


def scheduled(
    engine: SteeredEngine,
    test: Callable[[Scheduler], Coroutine[Any, Any, None]],
    batch_seconds: float = 4,
    gathering_seconds: float = 0.0,
) -> None:
    async def run() -> None:
        scheduler = Scheduler(
            lambda: cast(Recogniser, engine),
            batch_seconds=batch_seconds,
            gathering_seconds=gathering_seconds,
        )
        await scheduler.start()
        try:
            await test(scheduler)
        finally:
            engine.may_go_on.set()
            scheduler.stop()

    asyncio.run(run())


def sound(seconds: float) -> Samples:
    return np.zeros(int(seconds * SAMPLE_RATE), dtype=np.float32)


def asked(word: str = "", client: str = "someone", *, is_bulk: bool = False) -> RecognitionRequest:
    return RecognitionRequest(client, Hotwords((word,) if word else ()), is_bulk)


async def busy(scheduler: Scheduler, engine: SteeredEngine) -> asyncio.Future[PieceResult]:
    """Keep the thread at a first batch until `may_go_on`."""
    engine.may_go_on.clear()
    first = scheduler.submit(asked(client="first"), sound(1))
    await asyncio.to_thread(engine.is_in.wait, PATIENCE_SECONDS)
    return first


def test_one_thread_does_it_all_and_each_gets_its_own(engine: SteeredEngine) -> None:
    async def test(scheduler: Scheduler) -> None:
        await busy(scheduler, engine)
        mine = asked()
        lengths = [2.0, 1.0, 1.5, 0.5]
        results = [scheduler.submit(mine, sound(length)) for length in lengths]
        assert mine.started_at is None
        engine.may_go_on.set()
        await asyncio.wait(results, return_when=asyncio.FIRST_COMPLETED)
        started_at = mine.started_at
        heard = await asyncio.gather(*results)
        assert started_at is not None
        assert mine.started_at == started_at
        assert [h.recognised.text for h in heard] == [str(int(s * SAMPLE_RATE)) for s in lengths]

    scheduled(engine, test)
    assert engine.threads == {"seacod-inference"}


def test_a_suspect_is_with_the_model_alone(engine: SteeredEngine) -> None:
    async def test(scheduler: Scheduler) -> None:
        await busy(scheduler, engine)
        suspect = asked(client="suspect")
        suspect.is_suspect = True
        requests = [asked(client="a"), suspect, asked(client="b")]
        results = [scheduler.submit(one, sound(1)) for one in requests]
        engine.may_go_on.set()
        await asyncio.gather(*results)

    scheduled(engine, test)
    assert sorted(len(words) for _, words in engine.batches) == [1, 1, 2]


def test_pieces_of_different_requests_share_a_batch(engine: SteeredEngine) -> None:
    async def test(scheduler: Scheduler) -> None:
        await busy(scheduler, engine)
        results = [scheduler.submit(asked(client=str(i)), sound(1)) for i in range(4)]
        engine.may_go_on.set()
        await asyncio.gather(*results)

    scheduled(engine, test)
    assert engine.batches == [(1, [""]), (4, [""] * 4)]


def test_pieces_with_different_hotwords_share_a_batch(
    engine: SteeredEngine,
) -> None:
    async def test(scheduler: Scheduler) -> None:
        await busy(scheduler, engine)
        results = [
            scheduler.submit(asked(word, client=word), sound(1))
            for word in ("甲", "乙", "", "甲", "乙", "")
        ]
        engine.may_go_on.set()
        await asyncio.gather(*results)

    scheduled(engine, test)
    assert engine.batches == [(1, [""]), (4, ["甲", "乙", "", "甲"]), (2, ["乙", ""])]


def test_a_short_wait_fills_a_batch_when_more_is_known_to_come(engine: SteeredEngine) -> None:
    async def test(scheduler: Scheduler) -> None:
        scheduler.expected = 1
        first = scheduler.submit(asked(client="a"), sound(1.0))
        await asyncio.sleep(0.05)
        second = scheduler.submit(asked(client="b"), sound(1.0))
        third = scheduler.submit(asked(client="c"), sound(1.0))
        await asyncio.gather(first, second, third)
        scheduler.expected = 0
        await scheduler.submit(asked(), sound(0.4))

    scheduled(engine, test, batch_seconds=6, gathering_seconds=30.0)
    assert engine.batches[0][0] == 3


def test_what_was_given_up_leaves_the_line(engine: SteeredEngine) -> None:
    async def test(scheduler: Scheduler) -> None:
        await busy(scheduler, engine)
        gone = asked(client="gone")
        for _ in range(8):
            scheduler.submit(gone, sound(2))
        scheduler.give_up(gone)
        engine.may_go_on.set()
        await scheduler.submit(asked(), sound(1))

    scheduled(engine, test)
    assert len(engine.batches) == 2


def test_out_of_memory_halves_the_batch_and_everybody_gets_an_answer(
    engine: SteeredEngine,
) -> None:
    async def test(scheduler: Scheduler) -> None:
        await busy(scheduler, engine)
        results = [scheduler.submit(asked(client=str(i)), sound(1)) for i in range(8)]
        engine.fits = 2
        engine.may_go_on.set()
        heard = await asyncio.gather(*results)
        assert [h.recognised.text for h in heard] == ["16000"] * 8
        assert scheduler.budget_seconds == 2.0

    scheduled(engine, test, batch_seconds=8)
    assert [count for count, _ in engine.batches] == [1, 8, 4, 2, 2, 2, 2]
    assert engine.releases == 2


def test_a_piece_that_does_not_fit_alone_fails_alone(engine: SteeredEngine) -> None:
    async def test(scheduler: Scheduler) -> None:
        engine.fits = 0
        with pytest.raises(OutOfMemory):
            await scheduler.submit(asked(), sound(1))
        engine.fits = 5
        await scheduler.submit(asked(), sound(1))

    scheduled(engine, test)
    assert engine.releases == 1


def test_an_error_stays_with_its_request(engine: SteeredEngine) -> None:
    async def test(scheduler: Scheduler) -> None:
        await busy(scheduler, engine)
        engine.hates = 8000
        good = [scheduler.submit(asked(client=c), sound(1)) for c in "ab"]
        bad = scheduler.submit(asked(client="c"), sound(0.5))
        engine.may_go_on.set()
        heard = await asyncio.gather(*good)
        assert [h.recognised.text for h in heard] == ["16000"] * 2
        with pytest.raises(InferenceFailed):
            await bad

    scheduled(engine, test)
    assert [count for count, _ in engine.batches] == [1, 3, 1, 1, 1]


def test_a_person_is_served_between_the_pieces_of_a_job(engine: SteeredEngine) -> None:
    done: list[str] = []

    async def test(scheduler: Scheduler) -> None:
        await busy(scheduler, engine)
        job, person = asked(client="job", is_bulk=True), asked(client="person")
        pieces = [scheduler.submit(job, sound(4)) for _ in range(6)]
        mine = scheduler.submit(person, sound(4))
        for piece in pieces:
            piece.add_done_callback(lambda _: done.append("job"))
        mine.add_done_callback(lambda _: done.append("person"))
        engine.may_go_on.set()
        await asyncio.gather(mine, *pieces)

    scheduled(engine, test)
    assert done[0] == "person"


def test_one_clients_hundred_do_not_starve_another(engine: SteeredEngine) -> None:
    done: list[str] = []

    async def test(scheduler: Scheduler) -> None:
        await busy(scheduler, engine)
        hundred = asked(client="greedy")
        greedy = [scheduler.submit(hundred, sound(4)) for _ in range(100)]
        mine = scheduler.submit(asked(client="person"), sound(4))
        for piece in greedy:
            piece.add_done_callback(lambda _: done.append("greedy"))
        mine.add_done_callback(lambda _: done.append("person"))
        engine.may_go_on.set()
        await asyncio.gather(mine, *greedy)

    scheduled(engine, test)
    assert "person" in done[:3]


def test_the_cache_is_released_between_batches(engine: SteeredEngine) -> None:
    async def test(scheduler: Scheduler) -> None:
        scheduler.run_soon(lambda e: e.release_cache())
        assert await asyncio.to_thread(engine.released.wait, PATIENCE_SECONDS)

    scheduled(engine, test)


def test_a_model_that_does_not_load_is_told_to_who_waits_for_it() -> None:
    def load() -> Recogniser:
        raise ModelUnavailable("there is none", "没有")

    async def run() -> None:
        scheduler = Scheduler(load, batch_seconds=4)
        with pytest.raises(ModelUnavailable):
            await scheduler.start()

    asyncio.run(run())


def test_what_nobody_foresaw_fails_its_batch_and_the_thread_goes_on(engine: SteeredEngine) -> None:
    engine.fails_with = SystemExit(1)

    async def test(scheduler: Scheduler) -> None:
        with pytest.raises(InferenceFailed):
            await asyncio.wait_for(scheduler.submit(asked(), sound(1)), PATIENCE_SECONDS)
        engine.fails_with = None
        heard = await asyncio.wait_for(scheduler.submit(asked(), sound(1)), PATIENCE_SECONDS)
        assert heard.recognised.text == str(SAMPLE_RATE)

    scheduled(engine, test)
