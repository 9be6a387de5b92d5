"""SIGHUP: what takes effect at once, what by a new worker without a failed request, what not."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import typed
from supervised import StandIn, wait_until

from seacod.proving.load import ClientLoad


def reload(service: StandIn) -> dict[str, Any]:
    """Ask for a reload and wait for its outcome."""
    number = (service.status() or {})["reload"]["number"]
    service.signal(signal.SIGHUP)

    def outcome() -> Any:
        told = (service.status() or {}).get("reload", {})
        return told.get("number", 0) > number and told["state"] != "running" and told

    result: dict[str, Any] = wait_until(outcome, lambda: f"an outcome; log:\n{service.log_text()}")
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


def test_a_log_file_that_cannot_be_opened_is_refused(service: StandIn, tmp_path: Path) -> None:
    """Handed in as 07-log-file-reload.yaml."""
    service.start()
    nowhere = tmp_path / "nowhere" / "seacod.log"
    service.configure(log={"format": "json", "file": str(nowhere)})
    told = reload(service)
    assert told["state"] == "refused"
    assert told["problem"] == (
        f"log.file: {nowhere} cannot be opened for writing: No such file or directory"
    )
    checked = typed.seacod("config", "check", service.config)
    assert checked.returncode == 78
    assert "log.file" in checked.stderr
    # Once the directory is there, the next reload takes it.
    nowhere.parent.mkdir()
    assert reload(service)["state"] == "done"
    assert service.get()[0] == 200
    os.kill(service.worker_pid(), signal.SIGKILL)
    wait_until(
        lambda: nowhere.exists() and "worker_" in nowhere.read_text(), "lines in the new file"
    )


def test_a_log_file_that_cannot_be_opened_keeps_no_service_from_starting(
    service: StandIn, tmp_path: Path
) -> None:
    file = tmp_path / "late-mount" / "seacod.log"
    service.configure(log={"format": "json", "file": str(file)})
    service.start()
    assert service.get()[0] == 200
    told = service.events("log_file_not_written")
    assert (told[0]["file"], told[0]["cause"]) == (str(file), "No such file or directory")
    file.parent.mkdir()
    service.signal(signal.SIGUSR1)
    wait_until(lambda: file.exists() and "log_lines_lost" in file.read_text(), "the lines' return")


def test_a_full_disk_under_the_log_loses_lines_only(service: StandIn, small_disk: Path) -> None:
    """Handed in as 01-log-file-disk-full.sh."""
    file = small_disk / "seacod.log"
    service.configure(log={"format": "json", "file": str(file)})
    service.start()
    with (small_disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    # Nor is there room in the file's last page.
    with file.open("ab") as log:
        log.write(b"\n" * (4096 - log.tell() % 4096))
    before = len(file.read_bytes())
    assert service.get()[0] == 200
    first = service.worker_pid()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: service.status_of("serving", other_than=first), "another worker")
    assert service.get()[0] == 200
    assert len(file.read_bytes()) - before < 4096
    assert service.events("log_file_not_written")
    (small_disk / "filler").unlink()
    assert reload(service)["state"] == "done"
    lines = [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")]
    lost = [line for line in lines if line["event"] == "log_lines_lost"]
    assert lost
    assert lost[0]["cause"] == "No space left on device"
    assert service.stop() == 0


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


def test_a_worker_that_does_not_start_with_the_new_settings_is_given_up(service: StandIn) -> None:
    service.start()
    first = service.worker_pid()
    service.plan(exit_with_cpu_threads=7, fault="asr.model: no such directory")
    service.configure(asr={"cpu_threads": 7})
    told = reload(service)
    assert (told["state"], told["problem"]) == ("refused", "asr.model: no such directory")
    assert service.wait_for_state("serving")["worker"]["pid"] == first
    assert service.get()[0] == 200
    (event,) = service.events("replacement_failed")
    assert event["level"] == "error"
