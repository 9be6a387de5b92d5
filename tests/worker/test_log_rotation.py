"""The log file is rotated: whoever writes to it goes on in the new one and lets the old one go."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from supervised import Service, wait_until


def holding(service: Service, file: Path) -> set[int]:
    """Which processes of the service have it open."""
    assert service.process is not None
    found = set()
    for process in (service.process.pid, *(one.pid for one in service.descendants())):
        for descriptor in Path(f"/proc/{process}/fd").glob("*"):
            if os.path.realpath(descriptor) == str(file):
                found.add(process)
    return found


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether the process has a handler for it by now."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(one for one in status.splitlines() if one.startswith("SigCgt:"))
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)


@pytest.mark.skipif(shutil.which("logrotate") is None, reason="logrotate is missing")
def test_every_process_lets_go_of_a_file_that_was_rotated(tmp_path: Path) -> None:
    """Also the nursery and the worker that waits to be wanted."""
    service = Service(tmp_path)
    logs = tmp_path / "logs"
    logs.mkdir(mode=0o755)
    file, old = logs / "seacod.log", logs / "seacod.log.1"
    service.configure(log={"format": "json", "level": "debug", "file": str(file)})
    with service.running():
        wait_until(lambda: service.events("worker_forked_ahead"), "a worker that waits")
        before = holding(service, file)
        assert service.nursery() in before
        assert service.process is not None
        rotation = tmp_path / "logrotate.conf"
        rotation.write_text(
            f"{file} {{\n rotate 3\n create 0640\n postrotate\n"
            f"  kill -USR1 {service.process.pid}\n endscript\n}}\n"
        )
        command = ["logrotate", "--force", "--state", str(tmp_path / "state-of-it"), str(rotation)]
        subprocess.run(command, check=True, capture_output=True)
        assert old.exists()
        wait_until(
            lambda: not holding(service, old),
            lambda: f"{holding(service, old)} of {before} let go",
            patience_seconds=30,
        )
        assert "logs_reopened" in file.read_text()


def test_what_is_asked_for_in_the_first_moment_ends_no_service(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.start(wait=False)
    try:
        assert service.process is not None
        pid = service.process.pid
        wait_until(lambda: catches(pid, signal.SIGUSR1), "a handler")
        assert not service.events("supervisor_started"), "the test came too late to say anything"
        service.signal(signal.SIGUSR1)
        service.signal(signal.SIGHUP)
        wait_until(
            lambda: service.events("logs_reopened") or service.process.poll() is not None,  # type: ignore[union-attr]
            lambda: service.log_text(),
        )
        assert service.process.poll() is None
        service.wait_for_state("serving")
    finally:
        service.kill()
