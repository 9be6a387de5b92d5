"""Connections without pause while workers are killed: none is refused, none is left hanging."""

from __future__ import annotations

import os
import signal

from supervised import StandIn, wait_until

from seacod.proving.load import ClientLoad

# With fifty in a row: tests/faults/test_start_drills.py.
KILLS = 20
CLIENTS = 4


def test_no_connection_is_refused_or_left_hanging_while_workers_are_killed(
    service: StandIn,
) -> None:
    service.configure(
        supervisor={
            "backoff_initial_seconds": 0.02,
            "backoff_max_seconds": 0.1,
            "stable_seconds": 1,
        }
    )
    service.start()
    with ClientLoad(service.port, clients=CLIENTS) as load:
        for _ in range(KILLS):
            worker = service.wait_for_state("serving")["worker"]["pid"]
            os.kill(worker, signal.SIGKILL)
            wait_until(
                lambda dead=worker: service.status_of("serving", other_than=dead), "another worker"
            )
    seen = load.seen
    assert seen["refused"] == 0, seen
    assert seen["hung"] == 0, seen
    assert seen["200"] > 0, seen
    assert set(seen) <= {"200", "503", "cut"}, seen
    # Only requests inside a worker at its death can be lost: one a client and kill at most.
    assert seen["cut"] <= KILLS * CLIENTS, seen
    assert (service.status() or {})["restarts"]["count"] == KILLS
