"""The figures of the last hour: requests a minute are counted over a minute."""

from __future__ import annotations

import time

import pytest

from seacod.protocol import Beat
from seacod.supervisor.watch.last_hour import INTERVAL_SECONDS, History
from seacod.supervisor.watch.time_series import TimeSeries
from seacod.system.processes.cpu_use import CpuUse


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    one = Clock()
    monkeypatch.setattr(
        "seacod.supervisor.watch.last_hour.TimeSeries",
        lambda interval, kept: TimeSeries(interval, kept, one),
    )
    return one


def rates(clock: Clock, answered: list[int | None], pid: int = 7) -> list[float | None]:
    history = History()
    for count in answered:
        beat = None if count is None else Beat(0, 0, 0.0, 0.0, answered=count)
        history.look((pid,), beat, None, None)
        clock.now += INTERVAL_SECONDS
    return history.as_lists()["requests_per_minute"]


def test_each_asker_has_a_figure_of_the_processors_of_his_own() -> None:
    """In one moment psutil's own says 0 to the second."""
    now, times = [0.0], [(0.0, 0.0)]
    scrape, page = (CpuUse(lambda: now[0], lambda: times[0]) for _ in range(2))
    now[0], times[0] = 15.0, (30.0, 60.0)
    assert (scrape.percent(), page.percent(), scrape.percent()) == (50.0, 50.0, 50.0)
    # Another Prometheus, a hundredth later.
    now[0], times[0] = 15.01, (30.1, 60.1)
    assert scrape.percent() == 50.0
    now[0], times[0] = 30.0, (30.0, 120.0)
    assert (scrape.percent(), page.percent()) == (0.0, 0.0)


def test_the_figure_of_the_processors_is_the_systems() -> None:
    use = CpuUse(lambda: time.perf_counter() * 1e6)
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        pass
    assert 0.0 < use.percent() <= 100.0


def test_one_request_is_one_in_a_minute(clock: Clock) -> None:
    assert rates(clock, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]) == [
        None, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0,
    ]  # fmt: skip


def test_even_work_is_its_rate_from_the_beginning(clock: Clock) -> None:
    assert rates(clock, [5, 10, 15, 20, 25, 30]) == [None, 20.0, 20.0, 20.0, 20.0, 20.0]


def test_nobody_counts_while_no_worker_serves_nor_across_workers(clock: Clock) -> None:
    assert rates(clock, [100, None, 3, 6]) == [None, None, None, 12.0]
