"""The queue: bounded in requests and in work, in turns, and its Retry-After is computed."""

from __future__ import annotations

import asyncio

import pytest
from queueing import admitted
from supervised import PATIENCE_SECONDS

from seacod.asr.admission import Admission
from seacod.asr.request import RecordingRequest
from seacod.errors import QueueFull


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def queue(length: int = 3, concurrent: int = 1, seconds: float = 10_000.0) -> Admission:
    """The model does ten seconds of audio a second."""
    return Admission(length, concurrent, seconds, lambda: 10.0, Clock())


def enter(queue: Admission, client: str = "a", seconds: float = 100.0) -> RecordingRequest:
    request = admitted(queue, client)
    queue.weigh(request, seconds)
    queue._call_next()
    return request


def test_the_queue_is_full_when_it_is_full_and_says_for_how_long() -> None:
    full = queue(length=3)
    inside = [enter(full) for _ in range(4)]
    assert [t.has_turn for t in inside] == [True, False, False, False]
    assert (full.waiting, full.in_flight) == (3, 4)
    with pytest.raises(QueueFull) as refusal:
        admitted(full, "a")
    assert refusal.value.http_status == 503
    # Half of 400 seconds, at ten a second.
    assert refusal.value.retry_after_seconds == 20
    assert "20" in refusal.value.message
    full.leave(inside[1])
    admitted(full, "a")


def test_a_raised_limit_gives_those_who_wait_their_turn_at_once() -> None:
    waiting = queue(length=3, concurrent=1)
    inside = [enter(waiting) for _ in range(3)]
    waiting.limit(3, 2, 10_000.0)
    assert [t.has_turn for t in inside] == [True, True, False]


def test_a_burst_is_counted_before_anybody_has_a_turn() -> None:
    full = queue(length=3, concurrent=2)
    for _ in range(5):
        admitted(full, "a")
    with pytest.raises(QueueFull):
        admitted(full, "a")


def test_somebody_new_gets_in_where_one_has_taken_all_places() -> None:
    full = queue(length=8)
    for _ in range(9):
        enter(full, "greedy")
    with pytest.raises(QueueFull):
        admitted(full, "greedy")
    enter(full, "person")
    enter(full, "another")
    with pytest.raises(QueueFull):
        admitted(full, "third")


def test_clients_take_turns() -> None:
    shared = queue(length=20, concurrent=2)
    greedy = [enter(shared, "greedy") for _ in range(10)]
    person = enter(shared, "person")
    assert shared.position(person) == 1
    assert shared.position(greedy[2]) == 2
    shared.leave(greedy[0])
    assert person.has_turn
    assert not greedy[2].has_turn


def test_work_is_bounded_too_but_one_alone_may_be_longer() -> None:
    small = queue(length=20, concurrent=1, seconds=300)
    first = enter(small, seconds=5000)
    second = admitted(small, "b")
    with pytest.raises(QueueFull) as refusal:
        small.weigh(second, 100)
    # 4800 seconds must go first, at ten a second.
    assert refusal.value.retry_after_seconds == 480
    first.done_seconds += 4900
    small.weigh(second, 100)


def test_jobs_wait_elsewhere() -> None:
    shared = queue(length=1, concurrent=1)
    jobs = [admitted(shared, "job", is_bulk=True) for _ in range(5)]
    assert all(job.has_turn for job in jobs)
    for job in jobs:
        shared.weigh(job, 100_000)
    person = enter(shared)
    assert person.has_turn
    assert shared.outstanding_seconds == 100.0
    assert shared.in_flight == 6


def test_what_a_second_of_audio_costs_is_learnt() -> None:
    learning = queue()
    for _ in range(100):
        request = enter(learning, seconds=100)
        request.done_seconds += 40
        learning.leave(request, is_done=True)
    assert enter(learning, seconds=100).work_seconds == pytest.approx(40, rel=0.01)


def test_a_turn_comes_when_one_leaves() -> None:
    async def run() -> None:
        shared = queue()
        first, second = enter(shared), admitted(shared, "b")
        waiting = asyncio.ensure_future(shared.turn(second, lambda position: None))
        await asyncio.sleep(0)
        assert not waiting.done()
        shared.leave(first)
        await asyncio.wait_for(waiting, PATIENCE_SECONDS)

    asyncio.run(run())


def test_the_oldest_is_the_longest_running_not_the_longest_waiting() -> None:
    clock = Clock()
    shared = Admission(4, 2, 1000.0, lambda: 10.0, clock)
    first, second = admitted(shared, "a"), admitted(shared, "b")
    assert shared.oldest_seconds == 0.0
    clock.now += 10
    first.started_at = clock()
    clock.now += 5
    second.started_at = clock()
    assert shared.oldest_seconds == 5.0
    shared.leave(first)
    assert shared.oldest_seconds == 0.0
