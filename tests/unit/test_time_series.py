"""Readings over time: bounded, in order, and taken when they are due."""

from __future__ import annotations

from dataclasses import dataclass

from simulated_clock import Clock

from seacod.supervisor.watch.memory_series import Memory, in_words, memory_series
from seacod.supervisor.watch.time_series import TimeSeries


@dataclass(frozen=True)
class Figures:
    length: int
    share: float | None


def test_it_keeps_the_last_rows_only_whatever_the_wall_clock_does() -> None:
    clock = Clock()
    series: TimeSeries[Figures] = TimeSeries(15.0, 60.0, clock)
    for number in range(10):
        assert series.due() is not None
        series.add(Figures(number, None if number == 7 else number / 3))
        assert series.due() is None
        clock.now += 15.0
    assert [row.length for _, row in series.rows()] == [6, 7, 8, 9]
    lists = series.as_lists(("length", "share"))
    assert lists["share"] == [2.0, None, 2.7, 3.0]
    clock.wall -= 86_400.0
    assert series.due() == 15.0


def test_a_little_early_is_due_too_where_that_is_allowed() -> None:
    clock = Clock()
    series: TimeSeries[Figures] = TimeSeries(15.0, 60.0, clock)
    series.add(Figures(1, None))
    clock.now += 14.5
    assert series.due() is None
    assert series.due(slack_seconds=1.0) == 14.5


def test_memory_in_words_leaves_out_what_nobody_knew() -> None:
    series = memory_series()
    for mib in (100, 300, 200):
        series.add(Memory(mib << 20, None, None))
    assert in_words(series) == (
        "worker 100 → 200 MiB, at most 300", "识别进程 100 → 200 MiB，最多 300 MiB"
    )  # fmt: skip
