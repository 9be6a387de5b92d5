"""The figures of the last hour: requests a minute are counted over a minute."""

from __future__ import annotations

import pytest

from seacod.protocol import Beat
from seacod.supervisor.watch.last_hour import INTERVAL_SECONDS, History
from seacod.supervisor.watch.time_series import TimeSeries


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


def test_one_request_is_one_in_a_minute(clock: Clock) -> None:
    assert rates(clock, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]) == [
        None, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0,
    ]  # fmt: skip


def test_even_work_is_its_rate_from_the_beginning(clock: Clock) -> None:
    assert rates(clock, [5, 10, 15, 20, 25, 30]) == [None, 20.0, 20.0, 20.0, 20.0, 20.0]


def test_nobody_counts_while_no_worker_serves_nor_across_workers(clock: Clock) -> None:
    assert rates(clock, [100, None, 3, 6]) == [None, None, None, 12.0]
