"""SIGHUP: what takes effect at once, what by a new worker without a failed request, what not."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from supervised import StandIn, wait_until

from seacod.proving.load import ClientLoad


def reload(service: StandIn) -> dict[str, Any]:
    """Ask for a reload and wait for its outcome."""
    number = (service.status() or {})["reload"]["number"]
    service.signal(signal.SIGHUP)

    def outcome() -> Any:
        told = (service.status() or {}).get("reload", {})
        return told.get("number", 0) > number and told["state"] != "running" and told

    result: dict[str, Any] = wait_until(outcome, f"an outcome; log:\n{service.log_text()}")
    return result


def test_a_broken_file_changes_nothing_and_says_what_is_wrong(service: StandIn) -> None:
    service.start()
    first = service.worker_pid()
    service.config.write_text("server:\n  prot: 1\n")
    told = reload(service)
    assert told["state"] == "refused"
    assert told["problem"].endswith("did you mean server.port?")
    service.configure()
    assert service.worker_pid() == first
    assert service.events("configuration_refused")[0]["level"] == "error"


def test_what_can_be_applied_at_once_is_and_the_worker_stays(service: StandIn) -> None:
    service.start()
    first = service.worker_pid()
    service.configure(limits={"queue_length": 7}, supervisor={"stable_seconds": 7})
    told = reload(service)
    assert (told["state"], told["replaced"]) == ("done", [])
    assert set(told["live"]) == {"limits.queue_length", "supervisor.stable_seconds"}
    assert service.worker_pid() == first
    wait_until(lambda: "told the worker: limits.queue_length=7" in service.log_text(), "it heard")


def test_a_worker_that_loads_hears_of_another_startup_timeout(service: StandIn) -> None:
    service.configure(worker={"startup_timeout_seconds": 600, "stop_timeout_seconds": 0.5})
    service.plan(never_ready=True)
    service.start(wait=False)
    service.wait_for_state("starting")
    service.configure(worker={"startup_timeout_seconds": 5, "stop_timeout_seconds": 0.5})
    assert reload(service)["live"] == ["worker.startup_timeout_seconds"]
    wait_until(lambda: service.events("worker_exited"), "the end of the one that loads")
    cause = service.events("worker_exited")[0]["cause"]
    assert cause == "not ready within worker.startup_timeout_seconds"


def test_an_unchanged_file_changes_nothing(service: StandIn) -> None:
    service.start()
    first = service.worker_pid()
    assert reload(service)["state"] == "done"
    assert service.worker_pid() == first
    assert service.events("configuration_unchanged")


def test_what_needs_a_restart_is_named_and_not_half_applied(service: StandIn) -> None:
    service.start()
    port = service.port
    service.port += 1
    service.configure(asr={"cpu_threads": 1})
    service.port = port
    told = reload(service)
    assert told["needs_restart"] == ["server.port"]
    assert told["replaced"] == ["asr.cpu_threads"]
    assert service.events("restart_needed")[0]["keys"] == ["server.port"]
    assert service.get()[0] == 200


@pytest.mark.parametrize("requests_per_connection", [1, 50])
def test_a_replacement_fails_no_request(service: StandIn, requests_per_connection: int) -> None:
    service.plan(answer_seconds=0.05)
    service.start()
    with ClientLoad(service.port, requests_per_connection=requests_per_connection) as load:
        for threads in (1, 2, 3):
            first, answered = service.worker_pid(), load.seen["200"]
            service.configure(asr={"cpu_threads": threads})
            assert reload(service)["state"] == "done"
            assert service.worker_pid() != first
            wait_until(lambda before=answered: load.seen["200"] > before + 20, "more answers")
            wait_until(lambda: (service.status() or {})["leaving"] == 0, "the old one gone")
    assert load.failed() == {}
    assert (service.status() or {})["restarts"]["count"] == 0


def test_without_room_for_two_the_old_one_goes_first(service: StandIn) -> None:
    service.plan(available_bytes=1)
    service.start()
    first = service.worker_pid()
    with ClientLoad(service.port) as load:
        service.configure(asr={"cpu_threads": 1})
        assert reload(service)["state"] == "done"
    assert service.worker_pid() != first
    assert service.events("replacing_one_after_the_other")
    assert set(load.seen) <= {"200", "503"}, load.seen
    assert (service.status() or {})["restarts"]["count"] == 0


@pytest.mark.parametrize("available_bytes", [None, 1], ids=["beside", "one-after-the-other"])
def test_a_worker_that_does_not_start_with_the_new_settings_is_given_up(
    service: StandIn, available_bytes: int | None
) -> None:
    memory = {} if available_bytes is None else {"available_bytes": available_bytes}
    service.plan(**memory)
    service.start()
    first = service.worker_pid()
    service.plan(exit_with_cpu_threads=7, fault="asr.model: no such directory", **memory)
    service.configure(asr={"cpu_threads": 7})
    told = reload(service)
    assert (told["state"], told["problem"]) == ("refused", "asr.model: no such directory")
    status = service.wait_for_state("serving")
    assert (status["worker"]["pid"] == first) is (available_bytes is None)
    assert service.get()[0] == 200
    (event,) = service.events("replacement_failed")
    assert event["level"] == "error"
    # The settings before are in use again: the same file is a change again.
    service.plan(**memory)
    assert reload(service)["replaced"] == ["asr.cpu_threads"]
    service.wait_for_state("serving")


def test_the_old_worker_dies_while_its_replacement_loads(service: StandIn) -> None:
    service.start()
    first = service.worker_pid()
    service.plan(never_ready=True)
    service.configure(asr={"cpu_threads": 1})
    service.signal(signal.SIGHUP)
    wait_until(lambda: (service.status() or {})["replacement"], "a replacement that loads")
    os.kill(first, signal.SIGKILL)
    status = service.wait_for_state("starting")
    assert status["restarts"]["count"] == 1
    assert service.get()[0] == 503
    # That one never gets ready either; the next does.
    service.plan()
    os.kill(status["worker"]["pid"], signal.SIGKILL)
    wait_until(
        lambda: service.status_of("serving", other_than=status["worker"]["pid"]), "a worker serving"
    )
    assert service.get()[0] == 200


def test_a_second_reload_overtakes_the_first(service: StandIn) -> None:
    service.start()
    first = service.worker_pid()
    service.plan(never_ready=True)
    service.configure(asr={"cpu_threads": 1})
    service.signal(signal.SIGHUP)
    replacement = wait_until(lambda: (service.status() or {})["replacement"], "a replacement")
    service.plan()
    service.configure(asr={"cpu_threads": 2})
    assert reload(service)["state"] == "done"
    assert service.worker_pid() not in (first, replacement["pid"])
    wait_until(lambda: len(service.descendants()) == 1, "the other two gone")


def test_stopping_during_a_replacement_leaves_nobody_behind(service: StandIn) -> None:
    service.start()
    service.plan(never_ready=True)
    service.configure(asr={"cpu_threads": 1})
    service.signal(signal.SIGHUP)
    wait_until(lambda: (service.status() or {})["replacement"], "a replacement")
    children = service.descendants()
    assert len(children) == 2
    assert service.stop() == 0
    assert not any(child.is_running() for child in children)
