"""Batch sizes are measured while nobody needs the model, remembered when enough of them were, and
measured again when they contradict what is seen. In simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from seacod.asr import tuning
from seacod.asr.batching import Budget
from seacod.asr.pace import Pace
from seacod.asr.tuner import Tuner
from seacod.asr.tuning import Measurement, Tuning
from seacod.errors import OutOfMemory

LONG_ENOUGH = 600.0


class Machine:
    """A service on a device with these costs, and its time."""

    def __init__(self, path: Path, *, overhead: float = 1.8, speed: float = 11.4) -> None:
        self.now = 0.0
        self.overhead, self.speed = overhead, speed
        self.ceiling = 120.0
        self.fits = 1000
        self.calls: list[tuple[float, int]] = []
        self.pace = Pace(Tuning.guessed(5.0, 0.6, self.ceiling))
        self.file = path / "tuning.json"
        # When somebody needs the model.
        self.is_busy: Callable[[float], bool] = lambda now: False

    @property
    def is_idle(self) -> bool:
        return not self.is_busy(self.now)

    @property
    def tuning(self) -> Tuning:
        return self.pace.tuning

    @property
    def needs_tuning(self) -> bool:
        return not self.pace.tuning.is_measured or self.pace.is_contradicting

    def tune(self, found: Tuning) -> None:
        self.pace = Pace(found)

    def cost(self, padded: float) -> float:
        return (self.overhead + padded) / self.speed

    async def call(self, seconds: float, count: int) -> float:
        self.calls.append((self.now, count))
        if count > self.fits:
            raise OutOfMemory("no", "不")
        took = self.cost(seconds * count)
        self.now += took
        return took

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now > self.until:
            raise asyncio.CancelledError

    def serve(self, until: float) -> None:
        """Let the time go on."""
        self.until = until
        tuner = Tuner(
            self, self.call, self.ceiling, self.file, "it", clock=lambda: self.now,
            sleep=self.sleep,
        )  # fmt: skip
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(tuner.run())

    def work(self, seconds: float, *, times_slower: float = 1.0) -> None:
        """Batches of recordings, one after the other."""
        spent = 0.0
        while spent < seconds:
            took = self.cost(40.0) * times_slower
            self.pace.note(40.0, took)
            spent += took


def test_a_slow_machine_has_its_figures_in_half_a_minute_and_keeps_them(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.serve(until=45.0)
    found = machine.tuning
    assert len(found.measured) >= 4
    assert found.useful_seconds == 40.0
    assert found.overhead_seconds == pytest.approx(1.8, rel=0.05)
    assert found.speed == pytest.approx(40.0 / machine.cost(40.0))
    assert tuning.remembered(machine.file, "it") == found
    assert max(machine.cost(5.0 * count) for _, count in machine.calls) < 6.0
    calls = len(machine.calls)
    machine.serve(until=LONG_ENOUGH)
    assert len(machine.calls) == calls


def test_a_call_beside_a_request_does_not_count_and_the_next_waits_for_quiet(
    tmp_path: Path,
) -> None:
    machine = Machine(tmp_path)
    # Somebody comes in the middle of the second call, and stays for half a minute.
    machine.is_busy = lambda now: 2.0 < now < 32.0
    machine.serve(until=LONG_ENOUGH)
    times = [now for now, _ in machine.calls]
    assert times[0] < times[1] < 2.0 < times[1] + machine.cost(5.0)
    # Longer than before the first.
    assert times[2] > 32.0 + times[0]
    assert machine.tuning.useful_seconds == 40.0


def test_a_service_that_is_never_idle_is_not_held_up(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.is_busy = lambda now: True
    machine.serve(until=LONG_ENOUGH)
    assert machine.calls == []
    assert not machine.file.exists()


@pytest.mark.parametrize("speed", [0.9, 2.0, 8.0, 300.0, 3000.0])
def test_no_machine_is_kept_busy_for_longer_than_its_time(tmp_path: Path, speed: float) -> None:
    machine = Machine(tmp_path, speed=speed)
    machine.serve(until=LONG_ENOUGH)
    spent = sum(machine.cost(5.0 * count) for _, count in machine.calls)
    assert spent <= 35.0
    assert machine.file.exists() == machine.tuning.is_measured
    assert machine.tuning.is_measured == (speed >= 8.0)


def test_what_is_drawn_from_fewer_than_three_sizes_is_used_and_not_remembered(
    tmp_path: Path,
) -> None:
    machine = Machine(tmp_path)
    machine.fits = 2
    machine.serve(until=LONG_ENOUGH)
    assert len(machine.tuning.measured) == 2
    assert not machine.file.exists()


@pytest.mark.parametrize("ceiling", [2.0, 5.0, 17.0, 3600.0])
def test_there_are_sizes_to_compare_below_any_ceiling(tmp_path: Path, ceiling: float) -> None:
    machine = Machine(tmp_path, speed=300.0)
    machine.ceiling = ceiling
    machine.serve(until=LONG_ENOUGH)
    assert machine.tuning.is_measured
    assert machine.tuning.useful_seconds <= ceiling


def test_figures_that_contradict_what_is_seen_are_measured_again(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.serve(until=LONG_ENOUGH)
    calls = len(machine.calls)
    # Decoding beside the model slows it down a little: no contradiction.
    machine.work(500.0, times_slower=1.3)
    assert not machine.needs_tuning
    machine.speed /= 2
    machine.work(20.0)
    assert not machine.needs_tuning
    assert machine.pace.speed == pytest.approx(machine.speed * 40 / 41.8, rel=0.15)
    machine.work(500.0)
    assert machine.needs_tuning
    machine.serve(until=machine.now + LONG_ENOUGH)
    assert len(machine.calls) > calls
    useful = machine.tuning.useful_seconds
    assert machine.tuning.speed == pytest.approx(useful / machine.cost(useful))
    remembered = tuning.remembered(machine.file, "it")
    assert remembered == machine.tuning


def test_another_workers_figures_are_taken(tmp_path: Path) -> None:
    first, second = Machine(tmp_path), Machine(tmp_path)
    first.serve(until=LONG_ENOUGH)
    second.serve(until=LONG_ENOUGH)
    assert second.calls == []
    assert second.tuning == first.tuning


def test_a_bigger_budget_may_come_later_but_what_was_halved_stays() -> None:
    budget = Budget(32.0)
    budget.limit(40.0)
    assert budget.seconds == 40.0
    budget.exceeded(40.0)
    budget.limit(80.0)
    assert (budget.seconds, budget.ceiling_seconds) == (20.0, 80.0)
    budget.limit(10.0)
    assert budget.seconds == 10.0


def test_the_guess_after_one_call_leaves_batches_that_do_not_take_long() -> None:
    guessed = Tuning.guessed(5.0, 0.6, 120.0)
    assert guessed.expected_seconds(guessed.useful_seconds) < 5.0
    assert not guessed.is_measured
    assert Tuning.guessed(5.0, 0.01, 120.0).useful_seconds == 120.0
    assert Measurement(120.0).result == Tuning.unknown(120.0)
