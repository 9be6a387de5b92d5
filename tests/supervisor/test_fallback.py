"""Connections without pause while workers are killed: none is refused, none is left hanging."""

from __future__ import annotations

import json
import os
import signal

from supervised import StandIn, wait_until

from seacod import pause
from seacod.pause import Pause
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


def test_while_nobody_serves_the_reason_of_a_pause_is_told(service: StandIn) -> None:
    state = service.directory / "state"
    state.mkdir(exist_ok=True)
    pause.write(state / "pause.json", Pause("a new disk", 0.0, 60))
    service.plan(never_ready=True)
    service.start(wait=False)

    def told() -> str | None:
        try:
            status, _, body = service.get()
        except OSError:
            return None
        return str(json.loads(body)["error"]["message"]) if status == 503 else None

    assert "The service is paused: a new disk." in wait_until(told, "an answer")
