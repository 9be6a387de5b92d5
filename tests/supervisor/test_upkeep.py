"""What the supervisor does by the clock: the sweep of uploads, fresh workers."""

from __future__ import annotations

import os

import pytest
from supervised import StandIn, wait_until


def test_leftovers_are_swept_at_the_start_and_then_every_so_often(service: StandIn) -> None:
    uploads = service.directory / "state" / "uploads"
    uploads.mkdir(parents=True)
    first = uploads / "upload-from-a-dead-service"
    first.write_bytes(b"x")
    os.utime(first, (0, 0))
    service.configure(storage={"sweep_interval_seconds": 1, "keep_seconds": 1})
    service.start()
    wait_until(lambda: not first.exists(), "the first sweep")
    second = uploads / "page" / "a" / "later.wav"
    second.parent.mkdir(parents=True)
    second.write_bytes(b"x")
    wait_until(lambda: not second.exists(), "a later sweep")
    wait_until(lambda: "seacod_temp_files_removed_total 2.0" in service.metrics(), "the count")


def first_to_serve(service: StandIn) -> int:
    """Its pid, though another one may serve by now."""
    moves = wait_until(
        lambda: [e for e in service.events("worker_state_changed") if e["new"] == "serving"],
        "a first worker",
    )
    return int(moves[0]["worker_pid"])


def test_a_worker_that_has_done_its_share_is_replaced_without_a_failure(service: StandIn) -> None:
    service.configure(worker={"max_requests": 100})
    service.plan(beat={"answered": 150}, times=1)
    service.start(wait=False)
    first = first_to_serve(service)
    status = wait_until(lambda: service.status_of("serving", other_than=first), "a fresh worker")
    assert status["restarts"]["count"] == 0
    (event,) = service.events("worker_is_recycled")
    assert "worker.max_requests" in event["cause"]
    assert service.get()[0] == 200


@pytest.mark.full
def test_a_leak_is_told_and_ended(service: StandIn) -> None:
    service.configure(
        worker={"leak_bytes_per_request": 1024, "leak_min_growth_bytes": 1024 * 1024},
    )
    service.plan(leak_bytes=2_000_000, beat_step={"answered": 20}, times=1)
    service.start(wait=False)
    first = first_to_serve(service)
    wait_until(lambda: service.events("worker_is_recycled"), "the leak found")
    (event,) = service.events("worker_is_recycled")
    assert event["worker_pid"] == first
    assert "host memory grows" in event["cause"]
    wait_until(lambda: service.status_of("serving", other_than=first), "a fresh worker")
    raised = [e for e in service.events("alert_raised") if e["kind"] == "leak"]
    assert len(raised) == 1
