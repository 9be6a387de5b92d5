"""The pauses between restarts, as arithmetic."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from seacod.config.supervisor import SupervisorSettings
from seacod.supervisor.workers.restart import AT_ONCE, STORM_PAUSE_SECONDS, Failures, RestartPolicy

POLICY = RestartPolicy(
    SupervisorSettings(
        backoff_initial_seconds=1.0,
        backoff_max_seconds=60.0,
        stable_seconds=60.0,
        crash_loop_failures=5,
        crash_loop_window_seconds=600.0,
        crash_loop_pause_seconds=300.0,
    )
)
# So far apart that they are no crash loop.
RARE = tuple(1000.0 * n for n in range(64))


def never(*at: float) -> Failures:
    return Failures(never_served=at)


def test_the_first_pause_is_short_and_each_next_one_about_twice_as_long() -> None:
    pauses = [POLICY.pause(never(*RARE[:n]), random.Random(0)).seconds for n in range(1, 7)]
    for before, after in zip(pauses, pauses[1:], strict=False):
        assert after == before * 2


@given(st.integers(min_value=1, max_value=64), st.integers())
def test_a_pause_never_passes_the_limit_and_never_vanishes(failures: int, seed: int) -> None:
    pause = POLICY.pause(never(*RARE[:failures]), random.Random(seed))
    assert 0.5 <= pause.seconds <= 60.0
    assert not pause.is_crash_loop


def test_two_services_do_not_come_back_in_step() -> None:
    one, other = (POLICY.pause(never(*RARE[:5]), random.Random(seed)) for seed in (1, 2))
    assert one.seconds != other.seconds


def test_a_worker_that_serves_ends_the_row_of_those_that_never_did() -> None:
    before = never(1.0, 2.0, 3.0)
    assert POLICY.after(before, 99.0, ready_for_seconds=0.1) == Failures((), (99.0,))
    assert POLICY.after(before, 99.0, ready_for_seconds=None) == never(1.0, 2.0, 3.0, 99.0)


def test_a_stable_worker_starts_the_count_anew() -> None:
    before = Failures(had_served=(1.0, 2.0, 3.0))
    assert POLICY.after(before, 99.0, ready_for_seconds=61.0) == Failures((), (99.0,))
    assert POLICY.after(before, 99.0, ready_for_seconds=59.0).had_served == (1.0, 2.0, 3.0, 99.0)


def test_many_failed_starts_in_a_short_time_are_a_crash_loop_that_is_tried_slowly() -> None:
    failures = Failures()
    for n in range(5):
        failures = POLICY.after(failures, n * 100.0, None)
        pause = POLICY.pause(failures, random.Random(0))
        assert pause.is_crash_loop == (n == 4)
    assert 150 <= pause.seconds <= 300
    # The slow tries do not lead out of it by being slow ...
    for n in range(20):
        failures = POLICY.after(failures, 500.0 + n * 700, None)
        assert POLICY.pause(failures, random.Random(0)).is_crash_loop
    # ... a worker that serves does.
    failures = POLICY.after(failures, 1e6, 1.0)
    assert not POLICY.pause(failures, random.Random(0)).is_crash_loop


@given(st.lists(st.floats(0, 60), min_size=1, max_size=200), st.integers())
def test_one_that_served_never_waits_long_and_ten_a_minute_not_at_all(
    gaps: list[float], seed: int
) -> None:
    now, failures, ends = 0.0, Failures(), []
    for gap in gaps:
        now += gap
        ends.append(now)
        failures = POLICY.after(failures, now, 1.0)
        pause = POLICY.pause(failures, random.Random(seed))
        assert not pause.is_crash_loop
        assert pause.seconds <= STORM_PAUSE_SECONDS
        if sum(end > now - 60 for end in ends) <= AT_ONCE:
            assert pause.seconds == 0.0


@given(st.lists(st.tuples(st.floats(0, 1e5), st.booleans()), max_size=200))
def test_the_memory_is_bounded(ends: list[tuple[float, bool]]) -> None:
    now, failures = 0.0, Failures()
    for gap, had_served in ends:
        now += gap
        failures = POLICY.after(failures, now, 1.0 if had_served else None)
    assert len(failures.never_served) <= 64
    assert len(failures.had_served) <= 64
