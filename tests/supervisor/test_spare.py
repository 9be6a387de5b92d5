"""A warm spare: made in the background, promoted when the worker goes, made again."""

from __future__ import annotations

import os
import signal

import pytest
from supervised import StandIn, wait_until


@pytest.fixture
def spared(service: StandIn) -> StandIn:
    service.configure(supervisor={"spare": "on"})
    service.start()
    return service


def test_the_spare_takes_over_and_a_new_one_is_made(spared: StandIn) -> None:
    spare, first = spared.warm_spare(), spared.worker_pid()
    os.kill(first, signal.SIGKILL)
    status = wait_until(lambda: spared.status_of("serving", other_than=first), "the spare serving")
    assert status["worker"]["pid"] == spare
    assert status["worker"]["was_spare"]
    assert status["restarts"]["count"] == 1
    assert spared.get()[0] == 200
    assert not spared.events("restart_due"), "no pause where there is a spare"
    assert spared.warm_spare(other_than=spare) != spare


def test_counters_and_gauges_of_worker_and_spare_do_not_mix(spared: StandIn) -> None:
    """No two live workers write into the same files."""
    first, second = spared.descendants()[:1], spared.warm_spare()
    slots = set()
    for process in [*first, *[p for p in spared.descendants() if p.pid == second]]:
        slots.add(process.environ()["SEACOD_INTERNAL_SLOT"])
    assert len(slots) == 2
