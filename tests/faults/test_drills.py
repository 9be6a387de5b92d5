"""Faults in a running service with the real nursery and worker, and clients that post recordings
all the time. Each leaves the service serving, with a nursery."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drills import Drill, FaultsPage
from supervised import Faulty, wait_until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    one = Faulty(tmp_path_factory.mktemp("drills"))
    one.configure(
        supervisor={
            # A worker that is only slow, since others have the cores, must not count as hung: what
            # all clients send would be with it at its end.
            "beat_timeout_seconds": 8,
            "progress_timeout_seconds": 10,
            "probe_interval_seconds": 1,
            "probe_timeout_seconds": 3,
            "probe_failures": 3,
        }
    )
    with one.running():
        yield one


@pytest.fixture
def service(running: Faulty) -> Faulty:
    """Serving, with a nursery."""
    running.fail_from_the_start(None)
    running.wait_for_state("serving")
    running.nursery()
    return running


@pytest.mark.parametrize(
    "name",
    ["SIGKILL", *(pytest.param(one, marks=pytest.mark.full) for one in ("SIGSEGV", "SIGSTOP"))],
)
def test_a_signal(service: Faulty, faults_page: FaultsPage, name: str) -> None:
    number, worker = signal.Signals[name], service.worker_pid()
    with Drill(faults_page, service, f"worker {name}") as drill:
        drill.inject(lambda: os.kill(worker, number))
        event = "worker_hung" if name == "SIGSTOP" else "worker_exited"
        drill.detected_by(event, worker_pid=worker)
        drill.wait_for_answer()


@pytest.mark.full
def test_an_exit_with_code_0(service: Faulty, faults_page: FaultsPage) -> None:
    with Drill(faults_page, service, "worker exits with code 0, unasked") as drill:
        drill.inject(lambda: service.fail("exit_0"))
        assert drill.detected_by("worker_exited", cause="exit code 0")["level"] == "error"
        drill.wait_for_answer()


@pytest.mark.parametrize(
    ("fault", "words", "cause"),
    [
        pytest.param(
            "hold_gil",
            "interpreter lock held for ever in C",
            "hung: no beat",
            marks=pytest.mark.full,
        ),
        pytest.param("block_loop", "event loop blocked", "hung: no beat", marks=pytest.mark.full),
        ("stuck", "inference stuck (beats and HTTP go on)", "hung: work without progress"),
        pytest.param(
            "deaf",
            "beats, but no answer over HTTP",
            "hung: no answer over HTTP",
            marks=pytest.mark.full,
        ),
    ],
)
def test_a_hang(
    service: Faulty, faults_page: FaultsPage, fault: str, words: str, cause: str
) -> None:
    worker = service.worker_pid()
    with Drill(faults_page, service, words) as drill:
        drill.inject(lambda: service.fail(fault))
        assert drill.detected_by("worker_hung", worker_pid=worker)["cause"] == cause
        drill.wait_for_answer()
    (ended,) = [e for e in service.events("worker_exited") if e["worker_pid"] == worker]
    assert any("most recent call first" in line for line in ended["last_lines"])


@pytest.mark.full
def test_garbage_on_the_control_channel(service: Faulty, faults_page: FaultsPage) -> None:
    worker = service.worker_pid()
    with Drill(faults_page, service, "garbage on the control channel") as drill:
        drill.inject(lambda: service.fail("garbage"))
        drill.detected_by("worker_sent_garbage", worker_pid=worker)
        drill.nothing_lost()
    assert service.worker_pid() == worker


@pytest.mark.full
def test_the_nursery_dies(service: Faulty, faults_page: FaultsPage) -> None:
    nursery, worker = service.nursery(), service.worker_pid()
    with Drill(faults_page, service, "nursery SIGKILL") as drill:
        drill.inject(lambda: os.kill(nursery, signal.SIGKILL))
        drill.detected_by("nursery_lost")
        drill.nothing_lost()
    assert service.worker_pid() == worker
    service.nursery(other_than=nursery)


@pytest.mark.full
def test_the_worker_dies_while_the_nursery_hangs(service: Faulty, faults_page: FaultsPage) -> None:
    nursery, worker = service.nursery(), service.worker_pid()
    os.kill(nursery, signal.SIGSTOP)
    with Drill(faults_page, service, "worker dies, its nursery hangs") as drill:
        drill.inject(lambda: os.kill(worker, signal.SIGKILL))
        drill.detected_by("nursery_retired", nursery_pid=nursery)
        drill.row.remark = "5 s for an answer, then one load"
        drill.wait_for_answer()


@pytest.mark.full
def test_the_worker_and_the_nursery_die(service: Faulty, faults_page: FaultsPage) -> None:
    nursery, worker = service.nursery(), service.worker_pid()
    with Drill(faults_page, service, "worker and nursery SIGKILL at once") as drill:
        drill.inject(lambda: [os.kill(pid, signal.SIGKILL) for pid in (nursery, worker)])
        drill.detected_by("worker_exited", worker_pid=worker)
        drill.row.remark = "one load"
        drill.wait_for_answer()


@pytest.mark.full
def test_workers_die_one_after_the_other(service: Faulty, faults_page: FaultsPage) -> None:
    with Drill(faults_page, service, "ten workers SIGKILL, one after the other") as drill:
        drill.per_kill = 10
        for _ in range(10):
            worker = service.wait_for_state("serving")["worker"]["pid"]
            drill.inject(lambda pid=worker: os.kill(pid, signal.SIGKILL))
            drill.detected_by("worker_exited", worker_pid=worker)
            drill.wait_for_answer()
        drill.row.remark = "seconds: the last time; losses: in all"


@pytest.mark.full
def test_the_worker_dies_during_the_hand_over(service: Faulty, faults_page: FaultsPage) -> None:
    worker = service.worker_pid()
    service.fail_from_the_start("die_on_serve")
    with Drill(faults_page, service, "worker dies, the next one when told to serve") as drill:
        drill.inject(lambda: os.kill(worker, signal.SIGKILL))
        drill.detected_by("worker_exited", cause="exit code 3")
        service.fail_from_the_start(None)
        drill.wait_for_answer()


@pytest.mark.full
def test_the_old_worker_dies_while_it_drains(service: Faulty, faults_page: FaultsPage) -> None:
    worker, usual = service.worker_pid(), _supervisor(service)
    # What it has does not end by itself here, and must not count as stuck.
    patient = {**usual, "progress_timeout_seconds": 600}
    with Drill(faults_page, service, "old worker dies while it drains (reload)") as drill:
        with service.holding():
            service.configure(supervisor=patient, limits={"max_audio_seconds": 299})
            service.signal(signal.SIGHUP)
            wait_until(
                lambda: [
                    e for e in service.events("worker_state_changed")
                    if e["worker_pid"] == worker and e["new"] == "draining"
                ],
                "the old worker draining",
            )  # fmt: skip
            drill.inject(lambda: os.kill(worker, signal.SIGKILL))
        drill.detected_by("worker_exited", worker_pid=worker)
        drill.wait_for_answer()
    status = wait_until(
        lambda: (s := service.status_of("serving")) and s["reload"]["state"] == "done" and s,
        "the end of the reload",
    )
    assert status["worker"]["pid"] != worker
    assert drill.row.turned_away == 0
    service.configure(supervisor=usual, limits={"max_audio_seconds": 299})
    service.signal(signal.SIGHUP)


@pytest.mark.full
def test_a_reload_with_a_broken_file(service: Faulty, faults_page: FaultsPage) -> None:
    worker, good = service.worker_pid(), service.config.read_text()
    with Drill(faults_page, service, "configuration broken at reload") as drill:
        service.config.write_text("limits: {queue_lenght: 5}")
        drill.inject(lambda: service.signal(signal.SIGHUP))
        drill.detected_by("configuration_refused")
        drill.nothing_lost()
    service.config.write_text(good)
    assert service.worker_pid() == worker


@pytest.mark.full
def test_a_reload_to_a_model_that_is_not_there(service: Faulty, faults_page: FaultsPage) -> None:
    worker, good = service.worker_pid(), service.config.read_text()
    service.configure(supervisor=_supervisor(service), asr={"model": "/no/such/model"})
    with Drill(faults_page, service, "model missing after reload") as drill:
        drill.inject(lambda: service.signal(signal.SIGHUP))
        assert "/no/such/model" in drill.detected_by("replacement_failed")["text"]
        drill.nothing_lost()
    service.config.write_text(good)
    assert service.worker_pid() == worker
    # Back to what is in use: nothing is to be done.
    service.signal(signal.SIGHUP)


@pytest.mark.full
def test_the_supervisor_stands_still(service: Faulty, faults_page: FaultsPage) -> None:
    worker = service.worker_pid()
    with Drill(faults_page, service, "supervisor SIGSTOP for 12 s, then SIGCONT") as drill:
        drill.inject(lambda: service.signal(signal.SIGSTOP))
        time.sleep(12)  # longer than a pause of its own, and than any of the limits above
        service.signal(signal.SIGCONT)
        drill.detected_by("supervisor_stood_still")
        drill.nothing_lost()
        drill.row.remark = "the worker serves meanwhile; under systemd see below"
    assert service.worker_pid() == worker


def test_reloads_under_load_fail_no_request(service: Faulty, faults_page: FaultsPage) -> None:
    worker = service.worker_pid()
    service.configure(supervisor=_supervisor(service), asr={"max_segment_seconds": 15})
    with Drill(faults_page, service, "reload with a new worker (no fault)") as drill:
        drill.inject(lambda: service.signal(signal.SIGHUP))
        wait_until(
            lambda: service.status_of("serving", other_than=worker), "the new worker serving"
        )
        wait_until(lambda: (service.status() or {})["leaving"] == 0, "the old one gone")
        drill.nothing_lost()
        drill.row.remark = "the old worker serves until the new one does"
    assert (service.status() or {})["reload"]["replaced"]


def _supervisor(service: Faulty) -> dict[str, Any]:
    """The section as it stands in the service's file."""
    section: dict[str, Any] = json.loads(service.config.read_text())["supervisor"]
    return section


@pytest.mark.full
def test_nobody_is_left_when_the_supervisor_is_killed(
    service: Faulty, faults_page: FaultsPage, tmp_path: Path
) -> None:
    """The last of this file: it ends the service."""
    children = service.descendants()
    assert len(children) >= 2
    service.signal(signal.SIGKILL)
    service.wait_for_exit()
    wait_until(lambda: not any(_is_running(child.pid) for child in children), "everybody gone")
    service.start()
    assert service.get("/health")[0] == 200


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False
