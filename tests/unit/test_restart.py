"""The pauses between restarts, as arithmetic."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from seacod.supervisor.restart import BackOff

POLICY = BackOff(initial_seconds=1.0, max_seconds=60.0, stable_seconds=60.0)


def test_the_first_pause_is_short_and_each_next_one_about_twice_as_long() -> None:
    pauses = [POLICY.pause_seconds(n, random.Random(0)) for n in range(1, 7)]
    for before, after in zip(pauses, pauses[1:], strict=False):
        assert after == before * 2


@given(st.integers(min_value=1, max_value=10**9), st.integers())
def test_a_pause_never_passes_the_limit_and_never_vanishes(failures: int, seed: int) -> None:
    pause = POLICY.pause_seconds(failures, random.Random(seed))
    assert 0.5 <= pause <= 60.0


def test_two_services_do_not_come_back_in_step() -> None:
    assert POLICY.pause_seconds(5, random.Random(1)) != POLICY.pause_seconds(5, random.Random(2))


def test_a_stable_worker_starts_the_count_anew() -> None:
    assert POLICY.failures_after(9, ready_for_seconds=61.0) == 1
    assert POLICY.failures_after(9, ready_for_seconds=59.0) == 10
    assert POLICY.failures_after(9, ready_for_seconds=None) == 10


def test_no_failure_means_no_pause() -> None:
    assert POLICY.pause_seconds(0, random.Random(0)) == 0.0
