"""What somebody deletes under the running service is made anew, and told."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from supervised import StandIn, fetch, wait_until

from seacod.client import NEVER, Client


def raised(service: StandIn, kind: str) -> list[str]:
    return [one["text"] for one in service.events("alert_raised") if one["kind"] == kind]


def open_alerts(service: StandIn) -> list[str]:
    status = service.status()
    assert status is not None
    return [one["kind"] for one in status["alerts"]["open"]]


def test_an_emptied_runtime_directory_is_filled_again(service: StandIn) -> None:
    service.start()
    first = service.worker_pid()
    run = service.directory / "run"
    assert (run / "address").read_text().strip() == service.url
    for one in run.iterdir():
        shutil.rmtree(one) if one.is_dir() else one.unlink()
    # Commands reach it again, and the worker that wrote its figures into removed files is replaced.
    wait_until(lambda: service.status_of("serving", other_than=first), "a fresh worker")
    assert (run / "address").read_text().strip() == service.url
    wait_until(lambda: raised(service, "runtime_files"), "the alert")
    assert fetch(service.metrics_url)[0] == 200
    # Nobody else gets in between.
    second = StandIn(service.directory)
    second.log_file = service.directory / "log-of-the-second"
    second.start(wait=False)
    assert second.wait_for_exit() != 0
    assert "uses" in second.log_text()
    assert service.get()[0] == 200


def test_what_cannot_be_removed_at_the_end_is_left(service: StandIn) -> None:
    """It ended with 1, and the last alerts were not sent."""
    service.start()
    address = service.directory / "run/address"
    address.unlink()
    address.mkdir()
    assert service.stop() == 0
    assert service.events("runtime_file_left")
    assert service.events("supervisor_stopped")


def test_a_directory_that_is_removed_is_made_again_and_one_that_cannot_be_is_told(
    service: StandIn,
) -> None:
    service.configure(storage={"sweep_interval_seconds": 1})
    service.start()
    uploads = service.directory / "state/uploads"
    shutil.rmtree(uploads)
    wait_until(uploads.is_dir, "the directory again")
    shutil.rmtree(uploads)
    uploads.write_text("a file where the directory was")
    wait_until(lambda: raised(service, "storage"), "the alert")
    assert "storage" in open_alerts(service)
    uploads.unlink()
    wait_until(lambda: "storage" not in open_alerts(service), "word that it is over")


def test_the_database_of_the_alerts_is_written_anew(service: StandIn) -> None:
    service.start()
    file = service.directory / "state/alerts.sqlite3"
    for one in file.parent.glob("alerts.sqlite3*"):
        one.unlink()
    wait_until(file.exists, "the file again")
    wait_until(lambda: service.events("outbox_was_removed"), "word of it")


def test_a_worker_that_hung_is_over_when_the_next_one_serves(service: StandIn) -> None:
    service.start()
    first = service.worker_pid()
    os.kill(first, signal.SIGSTOP)
    # From now on: before, one that only had no processor would have been taken for hung.
    service.configure(supervisor={"beat_timeout_seconds": 2})
    service.signal(signal.SIGHUP)
    wait_until(lambda: raised(service, "worker_hung"), "the alert")
    service.configure()
    service.signal(signal.SIGHUP)
    wait_until(lambda: service.status_of("serving", other_than=first), "a fresh worker")
    wait_until(lambda: "worker_hung" not in open_alerts(service), "word that it is over")


def test_a_unix_socket_that_is_removed_is_made_anew_and_served(service: StandIn) -> None:
    path = service.directory / "http.sock"
    service.configure(server={"listen": f"127.0.0.1:{service.port} {path}"})
    service.start()
    first = service.worker_pid()
    path.unlink()
    wait_until(path.is_socket, "the path again")
    wait_until(lambda: service.status_of("serving", other_than=first), "a fresh worker")
    wait_until(lambda: answers(path), "an answer at the path")
    assert service.get()[0] == 200
    wait_until(lambda: raised(service, "runtime_files"), "the alert")
    assert str(path) in raised(service, "runtime_files")[0]
    assert service.status() is not None
    assert "storage" not in open_alerts(service)


def answers(path: Path) -> bool:
    with Client(f"unix:{path}", retry=NEVER) as client:
        return bool(client.get("/health/live"))


def test_inodes_that_are_used_up_are_told_and_that_there_are_some_again(
    service: StandIn, tmp_path: Path
) -> None:
    """There is room, and no file can be made."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=40", "tmpfs", str(disk)]
    subprocess.run(mount, check=True)
    try:
        service.configure(
            storage={"sweep_interval_seconds": 1, "free_warn_bytes": 0, "free_refuse_bytes": 0},
            paths={
                "state_directory": str(service.directory / "state"),
                "runtime_directory": str(service.directory / "run"),
                "temp_directory": str(disk / "uploads"),
            },
        )
        service.start()
        (text,) = wait_until(lambda: raised(service, "disk_full"), "the alert")
        assert "inodes are used up" in text
        assert str(disk) in text
        assert service.get()[0] == 200
        again = ["mount", "-o", "remount,nr_inodes=5000", str(disk)]
        subprocess.run(again, check=True)
        wait_until(lambda: "disk_full" not in open_alerts(service), "word that it is over")
    finally:
        service.kill()
        subprocess.run(["umount", "-l", str(disk)], check=True)
