"""The watchdog is fed only while every task of the supervisor gives its heartbeat."""

from __future__ import annotations

import pytest
from simulated_clock import Clock

from seacod.supervisor.systemd.heartbeats import TaskHeartbeats


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def heartbeats(clock: Clock) -> TaskHeartbeats:
    made = TaskHeartbeats(clock.monotonic)
    made.expect("look", 10.0)
    made.expect("gpu", 100.0)
    return made


@pytest.mark.parametrize(("seconds", "is_late"), [(29.9, False), (30.0, False), (30.1, True)])
def test_a_task_is_late_after_three_times_its_interval(
    clock: Clock, heartbeats: TaskHeartbeats, seconds: float, is_late: bool
) -> None:
    clock.now += seconds
    assert heartbeats.late() == ({"look": pytest.approx(seconds)} if is_late else {})


def test_one_that_goes_round_again_is_not_and_the_others_are(
    clock: Clock, heartbeats: TaskHeartbeats
) -> None:
    clock.now += 301.0
    heartbeats.touch("look")
    assert set(heartbeats.late()) == {"gpu"}


def test_one_that_has_ended_as_it_should_is_never_late(
    clock: Clock, heartbeats: TaskHeartbeats
) -> None:
    heartbeats.forget("look")
    clock.now += 10_000
    assert set(heartbeats.late()) == {"gpu"}


def test_another_interval_counts_from_the_moment_it_is_told(
    clock: Clock, heartbeats: TaskHeartbeats
) -> None:
    clock.now += 25.0
    heartbeats.expect("look", 1.0)
    assert heartbeats.late() == {}
    clock.now += 3.1
    assert set(heartbeats.late()) == {"look"}
