"""The nursery: workers are forked from it, again and again, and none of its own troubles reaches
anybody."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest
from supervised import StandIn, wait_until


def next_worker(service: StandIn, before: int) -> int:
    """The pid of another worker, once it serves."""
    status = wait_until(
        lambda: service.status_of("serving", other_than=before),
        lambda: f"another worker; log:\n{service.log_text()[-4000:]}",
    )
    return int(status["worker"]["pid"])


def kill(service: StandIn) -> int:
    """End the worker; the pid of the next one."""
    first = service.worker_pid()
    os.kill(first, signal.SIGKILL)
    return next_worker(service, first)


def test_ten_deaths_in_a_row_are_ten_forks_without_a_pause(service: StandIn) -> None:
    service.start()
    nursery = service.nursery()
    assert service.process is not None
    for _ in range(10):
        pid = kill(service)
        assert psutil.Process(pid).ppid() == service.process.pid
    assert service.get()[0] == 200
    assert service.nursery() == nursery
    assert not service.events("restart_due"), "a pause"
    assert (service.status() or {})["restarts"]["count"] == 10
    assert "seacod_nursery_ready 1.0" in service.metrics()


def test_a_storm_is_told_once(service: StandIn) -> None:
    service.configure(supervisor={"crash_loop_failures": 3})
    service.start()
    for _ in range(6):
        kill(service)
    told = [event["kind"] for event in service.events("alert_raised")]
    assert told.count("crash_storm") == 1
    assert "crash_loop" not in told


def test_a_nursery_that_dies_is_replaced_and_the_worker_serves_on(service: StandIn) -> None:
    service.start()
    worker, nursery = service.worker_pid(), service.nursery()
    os.kill(nursery, signal.SIGKILL)
    assert service.nursery(other_than=nursery) != nursery
    assert service.get()[0] == 200
    assert service.worker_pid() == worker
    assert service.events("nursery_lost")[0]["cause"] == "signal 9"
    kill(service)


def test_a_worker_that_dies_with_its_nursery_comes_from_the_next(service: StandIn) -> None:
    service.start()
    first = service.worker_pid()
    os.kill(service.nursery(), signal.SIGKILL)
    os.kill(first, signal.SIGKILL)
    next_worker(service, first)


def test_a_nursery_that_hangs_is_found_when_it_is_needed(service: StandIn) -> None:
    service.start()
    nursery = service.nursery()
    os.kill(nursery, signal.SIGSTOP)
    kill(service)
    assert service.nursery() != nursery
    assert "did not answer" in service.events("nursery_retired")[0]["cause"]


@pytest.mark.full
def test_a_nursery_that_hangs_is_found_before_it_is_needed(service: StandIn) -> None:
    service.start()
    nursery = service.nursery()
    os.kill(nursery, signal.SIGSTOP)
    assert service.nursery(other_than=nursery)
    assert not service.events("worker_exited")


@pytest.mark.parametrize(
    ("trouble", "cause"),
    [
        ("thread", "2 threads are running"),
        ("leaks", "1 descriptors were not closed"),
        ("grows", "its memory has grown"),
        ("cannot_fork", "no process could be forked"),
    ],
)
def test_a_nursery_that_may_not_fork_any_more_is_replaced_by_one_that_may(
    service: StandIn, trouble: str, cause: str
) -> None:
    service.start()
    nursery = service.nursery()
    service.plan(nursery=trouble)
    kill(service)
    assert service.nursery() != nursery
    assert cause in service.events("nursery_retired")[0]["cause"]
    assert not service.events("restart_due"), "nobody but the nursery failed"


def test_a_nursery_that_dies_when_asked_costs_one_load(service: StandIn) -> None:
    service.start()
    nursery = service.nursery()
    service.plan(nursery="dies")
    kill(service)
    assert service.nursery() != nursery
    assert service.events("nursery_lost")[0]["cause"] == "exit code 9"


def test_where_a_library_keeps_threads_workers_load_by_themselves(service: StandIn) -> None:
    service.plan(nursery="threads")
    service.start()
    assert "threads" in service.events("nursery_cannot_fork")[0]["cause"]
    kill(service)
    assert len(service.events("nursery_cannot_fork")) == 1


def test_a_model_file_that_was_replaced_is_loaded_anew(service: StandIn, tmp_path: Path) -> None:
    """A worker with the old weights would be what nobody expects of a restart."""
    weights = tmp_path / "model.pt"
    weights.write_bytes(b"x" * 8192)
    service.plan(maps=str(weights))
    service.start()
    nursery = service.nursery()
    kill(service)
    assert service.nursery() == nursery
    (tmp_path / "new").write_bytes(b"y" * 8192)
    (tmp_path / "new").rename(weights)
    kill(service)
    assert service.nursery() != nursery
    assert "model.pt was replaced" in service.events("nursery_retired")[0]["cause"]


def test_a_reload_makes_a_nursery_beside_the_old_one(service: StandIn) -> None:
    service.start()
    nursery, first = service.nursery(), service.worker_pid()
    service.configure(asr={"cpu_threads": 1})
    service.signal(signal.SIGHUP)
    second = next_worker(service, first)
    assert service.nursery() != nursery
    wait_until(lambda: not psutil.pid_exists(nursery), "the old nursery's end")
    os.kill(second, signal.SIGKILL)
    next_worker(service, second)
    assert (service.status() or {})["restarts"]["count"] == 1


def test_a_reload_that_fails_leaves_the_old_nursery(service: StandIn) -> None:
    service.start()
    nursery = service.nursery()
    service.plan(exit_with_cpu_threads=7)
    service.configure(asr={"cpu_threads": 7})
    service.signal(signal.SIGHUP)
    wait_until(lambda: service.events("replacement_failed"), "the refusal")
    kill(service)
    assert service.nursery() == nursery


def test_several_workers_come_from_one_nursery(service: StandIn) -> None:
    service.configure(supervisor={"workers": "2"})
    service.start()
    wait_until(
        lambda: all(w["state"] == "serving" for w in (service.status() or {})["workers"]), "both"
    )
    assert len(service.events("nursery_started")) == 1


def test_nothing_is_left_when_the_service_ends(service: StandIn) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        service.start()
        service.nursery()
        left = service.descendants()
        assert len(left) >= 2
        service.signal(number)
        service.wait_for_exit()
        if number == signal.SIGTERM:
            # It waits for what it has started: gone and reaped, whoever is process 1.
            assert not any(p.is_running() for p in left)
        wait_until(lambda left=left: not any(p.is_running() for p in left), "an empty house")
    # A nursery that is ended with the service is none that was lost.
    assert not service.events("processes_left") and not service.events("nursery_lost")


def test_what_lost_its_parent_is_reaped(service: StandIn) -> None:
    """A worker's own processes become the supervisor's when it dies."""
    service.plan(spawns=True)
    service.start()
    worker = psutil.Process(service.worker_pid())
    (own,) = wait_until(worker.children, "what the worker starts")
    kill(service)
    # It ends with its worker, and is nobody's but the supervisor's then.
    wait_until(lambda: not psutil.pid_exists(own.pid), "the end of what it had started")
