"""What goes wrong around the service: memory, disk, the clock."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sounds
from drills import Drill, FaultsPage, Row
from supervised import PATIENCE_SECONDS, Faulty, Service, wait_until

pytestmark = pytest.mark.timeout(300)

_CGROUP = Path("/sys/fs/cgroup")
_FAKETIME = Path("/usr/lib") / f"{os.uname().machine}-linux-gnu/faketime/libfaketime.so.1"
MIB = 1024 * 1024


@contextlib.contextmanager
def memory_cgroup() -> Iterator[Path]:
    """A cgroup of our own with a memory controller; version 1, or version 2 where it is handed
    down to us."""
    parent = _CGROUP / "memory" if (_CGROUP / "memory").is_dir() else _CGROUP
    group = parent / f"seacod-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no memory cgroup can be made here: {error.strerror}")
    try:
        if not any((group / name).exists() for name in ("memory.limit_in_bytes", "memory.max")):
            pytest.skip("the memory controller is not handed down to this cgroup")
        yield group
    finally:

        def is_removed() -> bool:
            with contextlib.suppress(OSError):
                group.rmdir()
            return not group.exists()

        wait_until(is_removed, "the cgroup removed")


@pytest.mark.full
def test_the_kernel_kills_the_worker_for_memory(tmp_path: Path, faults_page: FaultsPage) -> None:
    with memory_cgroup() as group:
        service = Faulty(tmp_path)
        service.start(wait=False)
        assert service.process is not None
        (group / "cgroup.procs").write_text(str(service.process.pid))
        for child in service.descendants():
            (group / "cgroup.procs").write_text(str(child.pid))
        try:
            service.wait_for_state("serving")
            with Drill(faults_page, service, "worker killed by the kernel: out of memory") as drill:
                used = sum(p.memory_info().rss for p in service.descendants())
                name = "memory.max" if (group / "memory.max").exists() else "memory.limit_in_bytes"
                (group / name).write_text(str(used + 400 * MIB))
                drill.inject(lambda: service.fail("eat_memory"))
                event = drill.detected_by("worker_exited")
                assert (event["kind"], event["level"]) == ("out_of_memory", "error")
                drill.row.remark = "the supervisor lives"
                drill.wait_for_answer()
        finally:
            service.kill()


def test_the_state_directory_is_full(
    tmp_path: Path, small_disk: Path, faults_page: FaultsPage
) -> None:
    service = Service(tmp_path)
    service.configure(
        paths={"state_directory": str(small_disk), "runtime_directory": str(tmp_path / "run")},
        storage={"free_refuse_bytes": 0, "free_warn_bytes": 0},
    )
    with service.running():
        worker = service.worker_pid()
        assert post(service)[0] == 200
        with contextlib.suppress(OSError):
            (small_disk / "ballast").write_bytes(b"\0" * 32 * MIB)
        for field, path in (("file", "/transcribe"), ("files", "/batch_transcribe")):
            status, body = post(service, field, path)
            assert status == 507, body
            assert "storage_full" in body
            assert "room on the disk" in body
        assert service.worker_pid() == worker
        assert service.events("storage_full")[0]["level"] == "error"
        (small_disk / "ballast").unlink()
        assert post(service)[0] == 200
        assert not list((small_disk / "uploads").glob("upload-*"))
        faults_page.rows.append(
            Row("state directory full", "real", remark="uploads are answered 507, nothing restarts")
        )


def test_uploads_are_refused_before_the_disk_is_full(tmp_path: Path, small_disk: Path) -> None:
    service = Service(tmp_path)
    service.configure(
        paths={"state_directory": str(small_disk), "runtime_directory": str(tmp_path / "run")},
        storage={"free_refuse_bytes": 4 * MIB, "free_warn_bytes": 8 * MIB},
    )
    with service.running():
        leftover = small_disk / "uploads" / "old.wav"
        leftover.write_bytes(b"\0" * MIB)
        old = time.time() - 7200
        os.utime(leftover, (old, old))
        assert post(service)[0] == 200
        (small_disk / "ballast").write_bytes(b"\0" * 13 * MIB)
        for field, path in (("file", "/transcribe"), ("files", "/batch_transcribe")):
            status, body = post(service, field, path)
            assert status == 507, body
            assert "MiB left for uploads" in body

        def kinds() -> set[str]:
            return {alert["kind"] for alert in (service.status() or {})["alerts"]["open"]}

        wait_until(lambda: {"disk_low", "disk_full"} <= kinds(), "both levels noticed")
        # What nobody needs went first.
        assert not leftover.exists()
        (small_disk / "ballast").unlink()
        assert post(service)[0] == 200
        wait_until(lambda: not kinds(), "both levels over")


@pytest.mark.full
def test_the_state_directory_is_read_only(
    tmp_path: Path, small_disk: Path, faults_page: FaultsPage
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    service = Service(tmp_path)
    service.configure(
        paths={"state_directory": str(small_disk), "runtime_directory": str(tmp_path / "run")}
    )
    service.start(wait=False)
    # Not 78: when somebody mends it, systemd's next try is right.
    assert service.wait_for_exit() == 73
    assert "Traceback" not in service.log_text()
    assert str(small_disk) in service.log_text()
    faults_page.rows.append(
        Row("state directory read-only at start", "real", remark="one sentence, exit code 73; "
            "systemd tries again")
    )  # fmt: skip


def post(service: Service, field: str = "file", path: str = "/transcribe") -> tuple[int, str]:
    """Status and body of an upload, as curl sees them."""
    answer = subprocess.run(
        ["curl", "-sS", "-w", "\n%{http_code}", "-F", f"{field}=@{sounds.SPEECH}",
         service.url + path],
        capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    body, _, status = answer.stdout.rpartition("\n")
    return int(status), body


@pytest.mark.full
def test_the_clock_jumps(tmp_path: Path, faults_page: FaultsPage) -> None:
    """A day ahead, two days back: nothing is restarted and nothing waits for a time long gone.

    libfaketime moves the wall clock of the whole service; the monotonic one goes on, as it does
    when an operator or NTP sets the clock.
    """
    if not _FAKETIME.exists():
        pytest.skip("libfaketime is missing: apt-get install faketime")
    clock = tmp_path / "clock"
    limit_seconds = 8

    def jump(offset: str) -> None:
        """Set the clock in one step: a file half written is no time at all to libfaketime."""
        written = clock.with_suffix(".new")
        written.write_text(offset)
        written.rename(clock)

    jump("+0")
    service = Service(tmp_path)
    service.configure(
        supervisor={
            "beat_timeout_seconds": limit_seconds, "probe_interval_seconds": 1
        }
    )  # fmt: skip
    # Read again each second. Without a cache every look at a clock opens the file under a lock
    # that all processes share, which by itself stops a loaded event loop for seconds.
    service.environment |= {
        "LD_PRELOAD": str(_FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with service.running():
        worker = service.worker_pid()
        service.nursery()
        fault = "clock jumps a day ahead, then two back"
        with Drill(faults_page, service, fault, pause_seconds=0.2) as drill:
            drill.inject(lambda: jump("+1d"))
            wait_until(lambda: _age(service) > 80_000, "the jump")
            time.sleep(limit_seconds + 1)
            jump("-1d")
            wait_until(lambda: _age(service) < 0, "the jump back")
            time.sleep(limit_seconds + 1)
            drill.nothing_lost()
        assert service.worker_pid() == worker
        assert not service.events("worker_hung")
        assert service.stop() == 0


def _age(service: Service) -> float:
    """By how much the newest line of the log lies in the future."""
    lines = [line for line in service.log_text().splitlines() if line.startswith("{")]
    newest = json.loads(lines[-1])["timestamp"]
    return datetime.datetime.fromisoformat(newest).timestamp() - time.time()
