"""Failures in a row, as the life of a worker counts them."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

from simulated_clock import Clock

from seacod.config.supervisor import SupervisorSettings
from seacod.supervisor.bus import AlertCleared, Bus
from seacod.supervisor.workers.backoff import Backoff
from seacod.supervisor.workers.exits import End, ExitKind
from seacod.supervisor.workers.report import Report
from seacod.supervisor.workers.telling import Telling

SETTINGS = SupervisorSettings(crash_loop_failures=3, stable_seconds=60)
NEVER_SERVED = End(ExitKind.FAILED, ("exit code 1", "退出码 1"))


def backoff() -> tuple[Backoff, Report]:
    clock, report = Clock(), Report()
    replica: Any = SimpleNamespace(name="")
    host: Any = SimpleNamespace(clock=clock, random=random.Random(1))
    return Backoff(host, report, Telling(replica, Bus(), report, clock)), report


def test_a_stable_worker_starts_the_count_of_those_that_do_not_come_up_anew() -> None:
    """The next that does not come up is one beside it, a replacement: nothing of its own has ended
    in between."""
    for ready_for, is_loop in ((SETTINGS.stable_seconds - 1, True), (60.0, False)):
        one, report = backoff()
        for _ in range(2):
            assert not one.failed(NEVER_SERVED, None, SETTINGS).is_crash_loop
        one.is_serving(None, SETTINGS)
        one.is_serving(ready_for, SETTINGS)
        assert one.failed(NEVER_SERVED, None, SETTINGS).is_crash_loop is is_loop
        assert report.is_crash_looping is is_loop


def test_a_crash_loop_is_left_by_a_stable_worker_and_by_no_other() -> None:
    one, report = backoff()
    for _ in range(3):
        one.failed(NEVER_SERVED, None, SETTINGS)
    one.is_serving(59.0, SETTINGS)
    assert report.is_crash_looping
    one.is_serving(60.0, SETTINGS)
    assert not report.is_crash_looping


def test_a_stable_worker_ends_what_the_supervisor_before_told_once_and_without_a_note() -> None:
    one, report = backoff()
    over: list[str] = []
    one._telling._bus.subscribe(AlertCleared, lambda event: over.append(event.kind))
    one.is_serving(59.0, SETTINGS)
    assert not over
    for _ in range(2):
        one.is_serving(60.0, SETTINGS)
    assert over == ["crash_loop", "crash_storm"]
    assert not report.notices
