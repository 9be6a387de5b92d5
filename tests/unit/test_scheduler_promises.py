"""The inference thread towards those who share a batch, and what of it is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, cast

import numpy as np
import pytest

from seacod.asr.audio import SAMPLE_RATE, Samples
from seacod.asr.batching import Budget
from seacod.asr.counting import RequestCounters
from seacod.asr.decoder.cutting import Cutter
from seacod.asr.hotwords import Hotwords, parse
from seacod.asr.recognisers.base import Recognised, Recogniser
from seacod.asr.request import RecognitionRequest
from seacod.asr.scheduler import BatchDone, Scheduler
from seacod.asr.tuning import Tuning
from seacod.errors import (
    BadAudio,
    InferenceFailed,
    NotReady,
    OutOfMemory,
    QueueFull,
    SeacodError,
)
from seacod.formats.base import clock
from seacod.metrics.worker import WorkerMetrics


class Engine:
    """Waits where it is told to; what does not fit raises."""

    def __init__(self) -> None:
        self.fits = 1000
        self.releases = 0
        self.sizes: list[int] = []
        self.before: Callable[[int], None] = lambda size: None

    def recognise(
        self, pieces: Sequence[Samples], hotwords: Sequence[Sequence[str]] | None = None
    ) -> list[Recognised]:
        self.sizes.append(len(pieces))
        self.before(len(pieces))
        if len(pieces) > self.fits:
            raise OutOfMemory("it does not fit", "放不下")
        return [Recognised(str(len(piece)), ()) for piece in pieces]

    def release_cache(self) -> None:
        self.releases += 1


def scheduled(
    test: Callable[[Scheduler, Engine], Coroutine[Any, Any, None]], **options: Any
) -> Engine:
    engine = Engine()

    async def run() -> None:
        scheduler = Scheduler(lambda: cast(Recogniser, engine), **{"batch_seconds": 8.0, **options})
        await scheduler.start()
        try:
            await asyncio.wait_for(test(scheduler, engine), 60)
        finally:
            scheduler.stop()

    asyncio.run(run())
    return engine


def sound(seconds: float) -> Samples:
    return np.zeros(int(seconds * SAMPLE_RATE), dtype=np.float32)


def asked(client: str) -> RecognitionRequest:
    return RecognitionRequest(client, Hotwords(()))


async def all_at_once(
    scheduler: Scheduler, count: int, request: RecognitionRequest | None = None
) -> list[asyncio.Future[Any]]:
    """So many that wait together, of different clients or of one request: the thread is kept at
    something else meanwhile."""
    loop = asyncio.get_running_loop()
    may_go, is_in = loop.create_future(), asyncio.Event()

    def wait(_: Recogniser) -> None:
        loop.call_soon_threadsafe(is_in.set)
        asyncio.run_coroutine_threadsafe(_given(may_go), loop).result(30)

    scheduler.run_soon(wait)
    await is_in.wait()
    futures = [scheduler.submit(request or asked(str(n)), sound(1)) for n in range(count)]
    loop.call_later(0.01, may_go.set_result, None)
    return futures


async def _given(future: asyncio.Future[None]) -> None:
    await future


def test_one_who_cancels_leaves_the_others_of_the_batch_their_texts() -> None:
    async def test(scheduler: Scheduler, engine: Engine) -> None:
        one, *others = await all_at_once(scheduler, 4)
        one.cancel()
        texts = [(await other).recognised.text for other in others]
        assert texts == ["16000"] * 3

    assert scheduled(test).sizes == [4]


@pytest.mark.parametrize(
    "error", [OutOfMemory("too much", "过多"), InferenceFailed("not this one", "不行")]
)
def test_what_is_given_up_while_its_batch_fails_is_not_tried_again(error: SeacodError) -> None:
    async def test(scheduler: Scheduler, engine: Engine) -> None:
        gone = asked("gone")

        def fail(size: int) -> None:
            if size == 4:
                scheduler.give_up(gone)
                raise error

        engine.before = fail
        await all_at_once(scheduler, 4, gone)
        while not engine.sizes:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert (await scheduler.submit(asked("later"), sound(1))).recognised.text == "16000"

    assert scheduled(test).sizes == [4, 1]


def test_the_budget_comes_back_after_many_batches_that_fitted() -> None:
    async def test(scheduler: Scheduler, engine: Engine) -> None:
        engine.fits = 4
        await asyncio.gather(*await all_at_once(scheduler, 8))
        assert scheduler.budget_seconds == 4.0
        for _ in range(Budget._PATIENCE):
            await scheduler.submit(asked("later"), sound(1))
        assert scheduler.budget_seconds == 5.0

    scheduled(test)


def test_a_batch_that_does_not_fit_is_counted_and_the_cache_released() -> None:
    counted: list[str] = []

    async def test(scheduler: Scheduler, engine: Engine) -> None:
        engine.fits = 4
        await asyncio.gather(*await all_at_once(scheduler, 8))
        assert engine.releases == 1

    scheduled(test, on_out_of_memory=lambda: counted.append("x"))
    assert counted == ["x"]


def test_what_is_with_the_model_is_said_before_and_taken_back_after() -> None:
    told: list[list[str]] = []

    def with_model(requests: Iterable[RecognitionRequest]) -> None:
        told.append(sorted(one.client for one in requests))

    async def test(scheduler: Scheduler, engine: Engine) -> None:
        await asyncio.gather(*await all_at_once(scheduler, 3))
        await scheduler.run_soon(lambda engine: None)

    scheduled(test, with_model=with_model)
    assert told == [["0", "1", "2"], []]


def test_each_batch_is_counted_with_its_padding() -> None:
    done: list[BatchDone] = []

    async def test(scheduler: Scheduler, engine: Engine) -> None:
        await asyncio.gather(*await all_at_once(scheduler, 3))

    scheduled(test, on_batch=done.append)
    ((pieces, audio, padded),) = [(d.pieces, d.audio_seconds, d.padded_seconds) for d in done]
    assert (pieces, audio, padded) == (3, 3.0, 3.0)


@pytest.mark.parametrize(("useful", "budget"), [(4.0, 4.0), (100.0, 8.0)])
def test_what_was_measured_never_passes_what_is_configured(useful: float, budget: float) -> None:
    async def test(scheduler: Scheduler, engine: Engine) -> None:
        known = Tuning.unknown(8.0)
        scheduler.tune(type(known)(**{**_fields(known), "useful_seconds": useful}))
        assert scheduler.budget_seconds == budget

    scheduled(test)


def _fields(tuning: Tuning) -> dict[str, Any]:
    return {name: getattr(tuning, name) for name in tuning.__dataclass_fields__}


def test_speech_that_does_not_end_is_cut_where_it_is_quietest() -> None:
    seconds, longest, quiet_at = 30, 10.0, 7.0
    samples = np.full(seconds * SAMPLE_RATE, 0.5, dtype=np.float32)
    samples[int(quiet_at * SAMPLE_RATE) : int((quiet_at + 0.2) * SAMPLE_RATE)] = 0.01
    cutter = Cutter(longest)
    frames = len(samples) // 512
    pieces = cutter.feed(samples, np.ones(frames, dtype=np.float32)) + cutter.finish()
    assert quiet_at <= pieces[0].end / SAMPLE_RATE <= quiet_at + 0.5
    assert all(len(one.samples) <= longest * SAMPLE_RATE for one in pieces)


@pytest.mark.parametrize("word", ["http", "https://x", "HTTPserver", "httpd"])
def test_no_hotword_is_an_address(word: str) -> None:
    assert parse(word, 10).words == ()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "00:00:00,000"), (59.9996, "00:01:00,000"), (3725.25, "01:02:05,250"),
     (36000.5, "10:00:00,500")],
)  # fmt: skip
def test_a_clock_has_hours_minutes_seconds(seconds: float, text: str) -> None:
    assert clock(seconds, ",") == text


def test_what_nobody_heard_is_counted() -> None:
    metrics = WorkerMetrics()
    RequestCounters(metrics).unheard(3)
    assert metrics.registry.get_sample_value("asr_segments_unheard_total") == 3


@pytest.mark.parametrize(
    ("error", "is_ours"),
    [
        (InferenceFailed("x", "x"), True),
        (OSError("x"), True),
        (QueueFull("x", "x", retry_after_seconds=1), False),
        (NotReady("x", "x"), False),
        (BadAudio("x", "x"), False),
        (asyncio.CancelledError(), False),
    ],
)
def test_only_what_is_our_fault_counts_as_failed(error: BaseException, *, is_ours: bool) -> None:
    metrics, ended = WorkerMetrics(), []
    counters = RequestCounters(metrics)
    counters.on_ended = lambda *told: ended.append(told)
    for client in ("job:key:robot", "10.0.0.1"):
        counters.failure("/transcribe", client, error, 1.0)
    assert counters.failed == 2 * is_ours
    assert ended == [("key:robot", 0.0, False), ("10.0.0.1", 0.0, False)]
    for who in ("key:robot", "others"):
        labels = {"client": who, "outcome": "failed"}
        assert metrics.registry.get_sample_value("asr_client_requests_total", labels) == 1
