"""The pauses between restarts, as arithmetic."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from seacod.supervisor.workers.restart import RestartPolicy

POLICY = RestartPolicy(
    initial_seconds=1.0,
    max_seconds=60.0,
    stable_seconds=60.0,
    crash_loop_failures=5,
    crash_loop_window_seconds=600.0,
    crash_loop_pause_seconds=300.0,
)
# So far apart that they are no crash loop.
RARE = tuple(1000.0 * n for n in range(64))


def test_the_first_pause_is_short_and_each_next_one_about_twice_as_long() -> None:
    pauses = [POLICY.pause(RARE[:n], random.Random(0)).seconds for n in range(1, 7)]
    for before, after in zip(pauses, pauses[1:], strict=False):
        assert after == before * 2


@given(st.integers(min_value=1, max_value=64), st.integers())
def test_a_pause_never_passes_the_limit_and_never_vanishes(failures: int, seed: int) -> None:
    pause = POLICY.pause(RARE[:failures], random.Random(seed))
    assert 0.5 <= pause.seconds <= 60.0
    assert not pause.is_crash_loop


def test_two_services_do_not_come_back_in_step() -> None:
    one, other = (POLICY.pause(RARE[:5], random.Random(seed)) for seed in (1, 2))
    assert one.seconds != other.seconds


def test_no_failure_means_no_pause() -> None:
    assert POLICY.pause((), random.Random(0)).seconds == 0.0


def test_a_stable_worker_starts_the_count_anew() -> None:
    before = (1.0, 2.0, 3.0)
    assert POLICY.remembered(before, 99.0, ready_for_seconds=61.0) == (99.0,)
    assert POLICY.remembered(before, 99.0, ready_for_seconds=59.0) == (*before, 99.0)
    assert POLICY.remembered(before, 99.0, ready_for_seconds=None) == (*before, 99.0)


def test_many_failures_in_a_short_time_are_a_crash_loop_that_is_tried_slowly() -> None:
    failures: tuple[float, ...] = ()
    for n in range(5):
        failures = POLICY.remembered(failures, n * 100.0, None)
        pause = POLICY.pause(failures, random.Random(0))
        assert pause.is_crash_loop == (n == 4)
    assert 150 <= pause.seconds <= 300
    # The slow tries do not lead out of it by being slow ...
    for n in range(20):
        failures = POLICY.remembered(failures, 500.0 + n * 700, None)
        assert POLICY.is_crash_loop(failures)
    # ... a stable worker does.
    assert not POLICY.is_crash_loop(POLICY.remembered(failures, 1e6, 61.0))


@given(st.lists(st.floats(0, 1e5), max_size=200))
def test_the_memory_is_bounded(gaps: list[float]) -> None:
    now, failures = 0.0, ()
    for gap in gaps:
        now += gap
        failures = POLICY.remembered(failures, now, None)
    assert len(failures) <= 64
