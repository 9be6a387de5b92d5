"""What goes through the model together: by length, in turns, within the budget."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seacod.asr import batching, tuning
from seacod.asr.batching import Budget, choose

NOW = 1000.0


@dataclass
class Piece:
    seconds: float = 5.0
    client: str = "a"
    is_bulk: bool = False
    since: float = NOW
    number: int = 0


pieces = st.builds(
    Piece,
    seconds=st.floats(0.2, 30.0),
    client=st.sampled_from("abc"),
    is_bulk=st.booleans(),
    number=st.integers(0, 1000),
)


@settings(deadline=None)
@given(st.lists(pieces, min_size=1, max_size=60), st.floats(1.0, 200.0), st.floats(0.0, 50.0))
def test_a_batch_is_within_the_budget(line: list[Piece], budget: float, overhead: float) -> None:
    batch = choose(line, {}, budget_seconds=budget, overhead_seconds=overhead, now=NOW)
    assert len(set(batch)) == len(batch) >= 1
    chosen = [line[i] for i in batch]
    assert len(batch) == 1 or batching.padded_seconds(chosen) <= budget + 1e-9
    if any(not piece.is_bulk for piece in line):
        assert not chosen[0].is_bulk


def test_people_come_before_jobs_and_jobs_ride_along() -> None:
    line = [Piece(is_bulk=True, number=i) for i in range(10)] + [Piece(number=99)]
    batch = choose(line, {}, budget_seconds=15, overhead_seconds=5, now=NOW)
    assert batch[0] == 10
    assert len(batch) == 3


def test_a_job_does_not_wait_for_ever() -> None:
    line = [Piece(number=5), Piece(is_bulk=True, number=0, since=NOW - 60)]
    assert choose(line, {}, budget_seconds=5, overhead_seconds=5, now=NOW) == [1]


def test_clients_take_turns() -> None:
    greedy = [Piece(client="greedy", number=i) for i in range(20)]
    line = [*greedy, Piece(client="person", number=99)]
    batch = choose(line, {"greedy": 300.0}, budget_seconds=5, overhead_seconds=5, now=NOW)
    assert batch == [20]


def test_lengths_that_do_not_fit_stay_out_unless_calls_are_dear() -> None:
    line = [Piece(seconds=1.0, number=0), Piece(seconds=20.0, number=1), Piece(seconds=1.2)]
    cheap = choose(line[:2], {}, budget_seconds=100, overhead_seconds=0, now=NOW)
    dear = choose(line[:2], {}, budget_seconds=100, overhead_seconds=30, now=NOW)
    assert (len(cheap), len(dear)) == (1, 2)
    near = choose(line, {}, budget_seconds=100, overhead_seconds=0.5, now=NOW)
    assert sorted(near) == [0, 2]


def test_the_budget_halves_at_once_and_grows_back_slowly() -> None:
    budget = Budget(120.0)
    budget.exceeded(100.0)
    assert budget.seconds == 50.0
    budget.exceeded(40.0)
    assert budget.seconds == 20.0
    for _ in range(1000):
        budget.went_well()
        assert budget.seconds <= 120.0
    assert budget.seconds == 120.0


def test_sizes_that_are_slower_than_smaller_ones_are_not_used() -> None:
    # A call costs 0.1 s and 0.01 s for each second, until the cache is too small.
    found = tuning.conclude([(5, 0.15), (10, 0.2), (20, 0.3), (40, 0.5), (80, 1.3), (160, 3.0)])
    assert found.useful_seconds == 40
    assert found.speed == pytest.approx(80)
    assert found.overhead_seconds == pytest.approx(10, rel=0.01)


def test_a_device_that_gains_nothing_by_batches_gets_single_pieces() -> None:
    found = tuning.conclude([(5, 0.5), (10, 1.0), (20, 2.1)])
    assert found.useful_seconds == 5


def test_measuring_stops_where_nothing_is_gained_or_nothing_fits() -> None:
    import numpy as np

    from seacod.errors import OutOfMemory

    sizes = []

    def recognise(batch: list[object]) -> None:
        sizes.append(len(batch))
        if len(batch) > 4:
            raise OutOfMemory("no", "不")

    found = tuning.measure(recognise, np.ones(16_000, dtype=np.float32), 1000)
    assert max(sizes) == 8
    assert found.useful_seconds <= 20


def test_what_was_measured_is_remembered(tmp_path: object) -> None:
    from pathlib import Path

    file = Path(str(tmp_path)) / "tuning.json"
    assert tuning.remembered(file, "x") is None
    found = tuning.conclude([(5, 0.15), (10, 0.2)])
    tuning.remember(file, "x", found)
    tuning.remember(file, "y", tuning.Tuning.unknown(7))
    assert tuning.remembered(file, "x") == found
    file.write_text("{ broken")
    assert tuning.remembered(file, "x") is None
    tuning.remember(file, "x", found)
    assert tuning.remembered(file, "x") == found
