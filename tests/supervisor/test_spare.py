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


def test_a_spare_that_dies_is_made_again_and_nobody_notices(spared: StandIn) -> None:
    spare, worker = spared.warm_spare(), spared.worker_pid()
    os.kill(spare, signal.SIGKILL)
    spared.warm_spare(other_than=spare)
    status = spared.status()
    assert status is not None
    assert status["worker"]["pid"] == worker
    assert status["restarts"]["count"] == 0
    assert len(spared.events("spare_lost")) == 1


def test_a_spare_that_stands_still_is_replaced(service: StandIn) -> None:
    service.configure(supervisor={"spare": "on", "beat_timeout_seconds": 2})
    service.start()
    spare = service.warm_spare()
    os.kill(spare, signal.SIGSTOP)
    service.warm_spare(other_than=spare)
    assert service.events("worker_hung")[0]["worker_pid"] == spare
    assert (service.status() or {})["restarts"]["count"] == 0


def test_a_spare_that_dies_when_promoted_costs_one_more_start(spared: StandIn) -> None:
    spared.plan(exit_on_promote=1)
    spare, first = spared.warm_spare(), spared.worker_pid()
    os.kill(spare, signal.SIGKILL)  # made before the plan
    spare = spared.warm_spare(other_than=spare)
    spared.plan()
    os.kill(first, signal.SIGKILL)
    status = wait_until(
        lambda: spared.status_of("serving", other_than=first) or {}, "a worker serving"
    )
    assert status["worker"]["pid"] not in (first, spare)
    assert status["restarts"]["count"] == 2
    assert spared.get()[0] == 200


def test_a_stopped_spare_that_is_promoted_is_given_up_in_time(service: StandIn) -> None:
    service.configure(
        supervisor={"spare": "on", "beat_timeout_seconds": 600},
        worker={"startup_timeout_seconds": 5, "stop_timeout_seconds": 0.5},
    )
    service.start()
    spare, first = service.warm_spare(), service.worker_pid()
    os.kill(spare, signal.SIGSTOP)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: service.status_of("starting", other_than=first), "the promotion")
    assert service.get()[0] == 503
    status = wait_until(
        lambda: [
            s for s in [service.status_of("serving")] if s and s["worker"]["pid"] not in (spare,)
        ],
        "another worker",
    )[0]
    assert status["worker"]["pid"] not in (first, spare)


def test_auto_makes_no_spare_where_memory_is_short(service: StandIn) -> None:
    service.configure(supervisor={"spare": "auto"})
    service.plan(available_bytes=1)
    service.start()
    wait_until(lambda: service.events("spare_not_made"), "the reason in the log")
    assert (service.status() or {})["spare"] is None


def test_auto_gives_the_spare_up_when_memory_becomes_short(service: StandIn) -> None:
    service.configure(supervisor={"spare": "auto"})
    service.start()
    spare, worker = service.warm_spare(), service.worker_pid()
    service.plan(available_bytes=1)
    wait_until(lambda: (service.status() or {})["spare"] is None, "the spare given up")
    wait_until(lambda: not _exists(spare), "its process gone")
    assert service.worker_pid() == worker
    (exit_event,) = [e for e in service.events("worker_exited") if e["worker_pid"] == spare]
    assert (exit_event["level"], exit_event["cause"]) == ("info", "host memory is short")


def test_stopping_ends_the_spare_too(spared: StandIn) -> None:
    spare = spared.warm_spare()
    assert spared.stop() == 0
    assert not _exists(spare)


def test_switching_it_off_and_on_by_reload(spared: StandIn) -> None:
    worker, spare = spared.worker_pid(), spared.warm_spare()
    spared.configure(supervisor={"spare": "off"})
    spared.signal(signal.SIGHUP)
    wait_until(lambda: not _exists(spare), "the spare gone")
    spared.configure(supervisor={"spare": "on"})
    spared.signal(signal.SIGHUP)
    spared.warm_spare()
    assert spared.worker_pid() == worker


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
