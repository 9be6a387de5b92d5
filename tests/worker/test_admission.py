"""The queue: bounded, in order, and its Retry-After follows what was measured."""

from __future__ import annotations

import pytest

from seacod.asr.admission import Admission
from seacod.errors import QueueFull


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_queue_is_full_when_it_is_full_and_says_for_how_long(clock: Clock) -> None:
    queue = Admission(3, clock)
    running = queue.admit()
    queue.start(running)
    waiting = [queue.admit() for _ in range(3)]
    with pytest.raises(QueueFull) as refusal:
        queue.admit()
    assert refusal.value.http_status == 503
    assert refusal.value.retry_after_seconds is not None
    assert refusal.value.retry_after_seconds >= 1
    assert str(refusal.value.retry_after_seconds) in refusal.value.message
    queue.leave(waiting[1])
    queue.admit()


def test_positions_count_those_in_front(clock: Clock) -> None:
    queue = Admission(5, clock)
    first, second, third = (queue.admit() for _ in range(3))
    assert [queue.position(t) for t in (first, second, third)] == [1, 2, 3]
    queue.start(first)
    assert [queue.position(t) for t in (first, second, third)] == [0, 1, 2]
    queue.leave(second)
    assert queue.position(third) == 1
    assert (queue.waiting, queue.in_flight) == (1, 2)


def test_retry_after_learns_from_what_requests_took(clock: Clock) -> None:
    queue = Admission(4, clock)
    guessed = queue.retry_after_seconds()
    for _ in range(50):
        ticket = queue.admit()
        queue.start(ticket)
        clock.now += 60.0
        queue.leave(ticket)
    for _ in range(4):
        queue.admit()
    assert queue.retry_after_seconds() == pytest.approx(4 * 60 / 2, rel=0.1)
    assert queue.retry_after_seconds() > guessed


def test_the_oldest_is_the_longest_running_not_the_longest_waiting(clock: Clock) -> None:
    queue = Admission(4, clock)
    first, second = queue.admit(), queue.admit()
    assert queue.oldest_seconds == 0.0
    clock.now += 10
    queue.start(first)
    clock.now += 5
    queue.start(second)
    assert queue.oldest_seconds == 5.0
    queue.leave(first)
    assert queue.oldest_seconds == 0.0
