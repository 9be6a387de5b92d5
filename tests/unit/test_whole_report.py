"""What several replicas make together."""

from __future__ import annotations

import pytest
from simulated_clock import Clock

from seacod import protocol
from seacod.supervisor.clock import Moment
from seacod.supervisor.status_text import start_progress
from seacod.supervisor.workers.replicas import combined
from seacod.supervisor.workers.report import Report
from seacod.supervisor.workers.states import ServiceState


def report(state: ServiceState, **more: object) -> Report:
    one = Report()
    one.state = state
    for name, value in more.items():
        setattr(one, name, value)
    return one


def test_figures_are_summed_and_the_worst_age_counts() -> None:
    whole = combined(
        [
            report(ServiceState.SERVING, beat=protocol.Beat(1, 2, 3.0, 4.0, 5, 1), beat_at=10.0),
            report(ServiceState.SERVING, beat=protocol.Beat(10, 20, 1.0, 9.0, 50, 2), beat_at=8.0),
        ]
    )
    assert whole.beat == protocol.Beat(11, 22, 3.0, 9.0, 55, 3)
    assert whole.beat_at == 8.0


@pytest.mark.parametrize(
    ("states", "whole"),
    [
        ("crash_looping serving", "serving"),
        ("backing_off starting", "starting"),
        ("crash_looping backing_off", "backing_off"),
        ("absent crash_looping", "crash_looping"),
    ],
)
def test_the_best_one_says_what_the_service_is_doing(states: str, whole: str) -> None:
    assert combined([report(ServiceState(one)) for one in states.split()]).state.value == whole


@pytest.mark.parametrize("loops", [(True, True), (True, False), (False, False)])
def test_the_service_is_in_a_crash_loop_when_all_are(loops: tuple[bool, bool]) -> None:
    reports = [report(ServiceState.BACKING_OFF, is_crash_looping=one) for one in loops]
    assert combined(reports).is_crash_looping is all(loops)


def test_of_several_replicas_a_start_takes_as_long_as_it_takes() -> None:
    """Not as long as the machine is up."""
    clock = Clock()
    starting = Report(ServiceState.STARTING, began=Moment(clock))
    other = Report(ServiceState.BACKING_OFF, began=Moment(clock))
    clock.now += 7
    assert start_progress(combined([other, starting]))[0] == "for 7 s"
