"""A worker is forked ahead: the next one is that one, and whatever becomes of it meanwhile reaches
nobody."""

from __future__ import annotations

import os
import signal

import psutil
from supervised import StandIn, wait_until


def waiting(service: StandIn, other_than: int | None = None) -> int:
    """The pid of the worker that waits."""

    def look() -> int | None:
        pid = ((service.status() or {}).get("nursery") or {}).get("waiting_pid")
        return pid if pid != other_than else None

    return int(wait_until(look, lambda: f"one ahead; log:\n{service.log_text()[-4000:]}"))


def after_a_kill(service: StandIn) -> int:
    """End the worker; the pid of the one that serves then."""
    first = service.worker_pid()
    os.kill(first, signal.SIGKILL)
    status = wait_until(
        lambda: service.status_of("serving", other_than=first),
        lambda: f"another worker; log:\n{service.log_text()[-4000:]}",
    )
    return int(status["worker"]["pid"])


def descriptors(pid: int) -> dict[int, str]:
    return {int(fd): os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}


def test_the_next_worker_is_the_one_that_waited_again_and_again(service: StandIn) -> None:
    service.start()
    for _ in range(3):
        ahead = waiting(service)
        assert after_a_kill(service) == ahead
        assert service.get()[0] == 200
    assert not service.events("waiting_worker_lost")
    told = [event["worker_pid"] for event in service.events("worker_forked_ahead")]
    assert ahead in told


def test_while_it_waits_it_has_nothing_of_the_services(service: StandIn) -> None:
    service.start()
    assert service.process is not None
    ahead = psutil.Process(waiting(service))
    assert ahead.ppid() == service.process.pid
    assert ahead.num_threads() == 1
    # What its nursery prints to, and the channel by which its order comes.
    assert len([one for one in descriptors(ahead.pid) if one > 2]) == 1
    sizes = service.metrics()
    assert 'seacod_process_memory_bytes{process="nursery"}' in sizes


def test_no_descriptor_is_left_over_however_a_worker_was_forked(service: StandIn) -> None:
    service.start()
    # The first one was forked when it was wanted.
    held = len(descriptors(service.worker_pid()))
    nursery = service.nursery()
    waiting(service)
    at_nursery = len(descriptors(nursery))
    for _ in range(2):
        pid = after_a_kill(service)
        wait_until(lambda pid=pid: len(descriptors(pid)) == held, "as many as the first one has")
        waiting(service)
        assert len(descriptors(nursery)) == at_nursery


def test_one_that_dies_while_it_waits_is_replaced_and_missed_by_nobody(service: StandIn) -> None:
    service.start()
    lost = waiting(service)
    os.kill(lost, signal.SIGKILL)
    pid = after_a_kill(service)
    assert pid != lost
    assert service.events("waiting_worker_lost")[0]["worker_pid"] == lost
    assert after_a_kill(service) not in (pid, lost)
    assert not service.events("restart_due"), "a pause"
    assert not service.events("nursery_lost")
    wait_until(lambda: not psutil.pid_exists(lost), "that it is reaped")


def test_one_that_is_stopped_while_it_waits_is_killed_when_it_is_wanted(service: StandIn) -> None:
    service.start()
    stopped = waiting(service)
    os.kill(stopped, signal.SIGSTOP)
    assert after_a_kill(service) != stopped
    wait_until(lambda: not psutil.pid_exists(stopped), "that it is gone")


def test_it_goes_with_its_nursery(service: StandIn) -> None:
    """After a death, a reload and a stop of the service."""
    service.start()
    first = waiting(service)
    os.kill(service.nursery(), signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(first), "the end of the first")
    after_a_kill(service)
    second = waiting(service, other_than=first)
    before = service.worker_pid()
    service.configure(asr={"cpu_threads": 1})
    service.signal(signal.SIGHUP)
    wait_until(lambda: service.status_of("serving", other_than=before), "new settings")
    wait_until(lambda: not psutil.pid_exists(second), "the end of the second")
    third = waiting(service, other_than=second)
    service.signal(signal.SIGTERM)
    service.wait_for_exit()
    assert not psutil.pid_exists(third)
    assert not service.events("processes_left")


def test_it_goes_with_a_supervisor_that_is_killed(service: StandIn) -> None:
    service.start()
    ahead = psutil.Process(waiting(service))
    service.signal(signal.SIGKILL)
    service.wait_for_exit()
    wait_until(lambda: not ahead.is_running(), "its end")
