"""A worker that is there and does nothing: found, its stacks in the log, replaced. And those that
only look like it, which are left alone.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest
from supervised import StandIn, wait_until


@pytest.mark.parametrize(
    ("plan", "cause"),
    [
        ({"silent": True}, "hung: no beat"),
        ({"blocked": True}, "hung: no beat"),
        ({"progress_age_seconds": 3.5}, "hung: work without progress"),
        ({"deaf": True}, "hung: no answer over HTTP"),
    ],
    ids=["silent", "blocked-in-c", "stuck", "deaf"],
)
def test_a_hung_worker_is_replaced_with_its_stack_in_the_log(
    service: StandIn, plan: dict[str, Any], cause: str
) -> None:
    service.plan(**plan)
    service.start(wait=False)
    (hung,) = wait_until(lambda: service.events("worker_hung"), "a worker found hung")
    service.plan()
    wait_until(lambda: service.status_of("serving", other_than=hung["worker_pid"]), "a new one")
    assert hung["cause"] == cause
    ended = service.events("worker_exited")[0]
    assert (ended["cause"], ended["kind"], ended["level"]) == (cause, "hung", "error")
    assert any("most recent call first" in line for line in ended["last_lines"])
    assert service.get()[0] == 200
    assert 'seacod_worker_restarts_total{cause="hung"} 1.0' in service.metrics()


def test_a_stopped_worker_is_replaced(service: StandIn) -> None:
    service.start()
    first = service.worker_pid()
    os.kill(first, signal.SIGSTOP)
    wait_until(lambda: service.status_of("serving", other_than=first), "a new worker")
    assert service.events("worker_hung")[0]["cause"] in (
        "hung: no beat",
        "hung: no answer over HTTP",
    )


def test_an_idle_worker_is_left_alone(service: StandIn) -> None:
    """Ten times as long as a silent one would be given."""
    service.configure(supervisor={"beat_timeout_seconds": 2, "probe_interval_seconds": 0})
    service.start()
    first = service.worker_pid()
    # The one place where time itself is the test: nothing may happen while it passes.
    time.sleep(8)
    assert service.worker_pid() == first
    assert not service.events("worker_hung")


def test_a_slow_request_that_goes_on_is_left_alone(service: StandIn) -> None:
    service.plan(progress_age_seconds=1.5, answer_seconds=0.3)
    service.start()
    first = service.worker_pid()
    for _ in range(20):
        assert service.get()[0] == 200
    assert service.worker_pid() == first
    assert not service.events("worker_hung")


def test_a_supervisor_that_was_stopped_blames_nobody(service: StandIn) -> None:
    service.start()
    first = service.worker_pid()
    service.signal(signal.SIGSTOP)
    time.sleep(7)  # longer than any limit, and than what counts as a pause of its own
    service.signal(signal.SIGCONT)
    wait_until(lambda: service.events("supervisor_stood_still"), "it noticed")
    assert service.get()[0] == 200
    time.sleep(3)
    assert service.worker_pid() == first
    assert not service.events("worker_hung")
