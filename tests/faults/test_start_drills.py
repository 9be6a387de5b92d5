"""Workers that do not get as far as serving, and many that end in a row."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from drills import Drill, FaultsPage, Row
from supervised import Faulty, StandIn, wait_until

pytestmark = pytest.mark.timeout(300)
STARTS = 20
KILLS = 50


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Faulty]:
    one = Faulty(tmp_path)
    yield one
    one.kill()


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[StandIn]:
    one = StandIn(tmp_path)
    yield one
    one.kill()


@pytest.mark.full
def test_the_worker_ends_at_its_start_twenty_times(real: Faulty, faults_page: FaultsPage) -> None:
    real.configure(
        supervisor={
            "backoff_initial_seconds": 0.05,
            "backoff_max_seconds": 0.2,
            "crash_loop_failures": 5,
            "crash_loop_pause_seconds": 0.3,
            "stable_seconds": 1,
        }
    )
    real.start()
    with Drill(faults_page, real, f"worker ends at its start, {STARTS} times") as drill:
        real.fail_from_the_start("exit_at_start")
        drill.inject(lambda: os.kill(real.worker_pid(), signal.SIGKILL))
        drill.detected_by("crash_loop_entered")
        ended = len(real.events("worker_exited"))
        wait_until(lambda: len(real.events("worker_exited")) >= ended + STARTS - 4, "the tries")
        real.fail_from_the_start(None)
        drill.row.remark = "detected: the crash loop. It goes on trying, and says so"
        drill.wait_for_answer()
    wait_until(lambda: real.events("crash_loop_left"), "the way out of the crash loop")
    assert len(real.events("crash_loop_entered")) == 1


@pytest.mark.full
def test_the_worker_is_never_ready(real: Faulty, faults_page: FaultsPage) -> None:
    real.start()
    with Drill(faults_page, real, "worker never ready (limit 20 s)") as drill:
        real.fail_from_the_start("never_ready")
        drill.inject(lambda: os.kill(real.worker_pid(), signal.SIGKILL))
        wait_until(lambda: "told never to be ready" in real.log_text(), "one that never is")
        real.fail_from_the_start(None)
        # For this one alone: those before and after it may take longer where others have the cores.
        real.configure(worker={"startup_timeout_seconds": 20})
        real.signal(signal.SIGHUP)
        drill.detected_by("worker_exited", kind="never_ready")
        real.configure()
        real.signal(signal.SIGHUP)
        drill.wait_for_answer()


@pytest.mark.full
def test_fifty_kills_in_a_row(stand_in: StandIn, faults_page: FaultsPage) -> None:
    stand_in.configure(
        supervisor={"backoff_initial_seconds": 0.02, "backoff_max_seconds": 0.1,
                    "stable_seconds": 1}
    )  # fmt: skip
    stand_in.start()
    row = None
    with Drill(
        faults_page, stand_in, f"{KILLS} kills in a row", worker="stand-in", recording=None
    ) as drill:
        row = drill.row
        drill.per_kill = KILLS
        drill.inject(lambda: None)
        for _ in range(KILLS):
            worker = stand_in.wait_for_state("serving")["worker"]["pid"]
            os.kill(worker, signal.SIGKILL)
            wait_until(
                lambda dead=worker: stand_in.status_of("serving", other_than=dead), "another one"
            )
    away = (stand_in.status() or {})["restarts"]["total_away_seconds"]
    row.serving_seconds = away / KILLS
    row.remark = "seconds and losses: each time, and in all"
    assert (stand_in.status() or {})["restarts"]["count"] == KILLS


def test_the_port_is_taken(stand_in: StandIn, faults_page: FaultsPage) -> None:
    """Said in one sentence, with the exit code that systemd tries again on."""
    stand_in.start()
    second = StandIn(stand_in.directory / "second")
    second.port = stand_in.port
    second.configure()
    second.start(wait=False)
    assert second.wait_for_exit() == 71
    assert f"server.port: {second.port} on 127.0.0.1 is taken" in second.log_text()
    assert stand_in.get()[0] == 200
    faults_page.rows.append(
        Row("port taken at start", "stand-in", remark="one sentence, exit code 71; systemd tries "
            "again")
    )  # fmt: skip
