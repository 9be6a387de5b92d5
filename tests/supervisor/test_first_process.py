"""The supervisor as PID 1 of a pid namespace, as in a container: nobody else reaps, the kernel
drops signals that it does not handle, and there is no systemd."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from supervised import PATIENCE_SECONDS, ROOT, StandIn, fetch, wait_until

ALONE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a pid namespace needs root")


class FirstProcess(StandIn):
    """`seacod run` with nobody above it."""

    @property
    def command(self) -> list[str]:
        return [*ALONE, *super().command]

    @property
    def first(self) -> psutil.Process:
        """The supervisor, which is PID 1 to itself."""
        assert self.process is not None
        return only_child(self.process.pid)


def only_child(pid: int) -> psutil.Process:
    (child,) = wait_until(psutil.Process(pid).children, "the process inside")
    return child


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[FirstProcess]:
    one = FirstProcess(tmp_path)
    yield one
    one.kill()


def test_it_lives_without_an_init_and_without_systemd(inside: FirstProcess) -> None:
    inside.start()
    status = inside.status() or {}
    assert status["pid"] == 1
    first = inside.first
    # An orphan of a command that was run beside it, as `podman exec` does.
    subprocess.run(
        ["nsenter", "-t", str(first.pid), "--pid", "--mount", "sh", "-c", "sleep 3600 & exit 0"],
        check=True,
    )  # fmt: skip
    orphan = wait_until(
        lambda: next((one for one in first.children() if one.name() == "sleep"), None), "an orphan"
    )
    orphan.kill()
    wait_until(lambda: not psutil.pid_exists(orphan.pid), "an orphan that was reaped")
    # A worker that is killed is followed by another one, and no zombie stays.
    dead = status["worker"]["pid"]
    for worker in inside.descendants():
        if namespaced(worker.pid) == dead:
            worker.kill()
    wait_until(lambda: inside.status_of("serving", other_than=dead), "another worker")
    wait_until(
        lambda: all(one.status() != psutil.STATUS_ZOMBIE for one in first.children()), "no zombie"
    )
    first.send_signal(signal.SIGTERM)
    assert inside.wait_for_exit() == 0
    assert inside.events("supervisor_stopped")


def namespaced(pid: int) -> int:
    """Its pid in the innermost namespace."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("NSpid:")).split()[-1])


def test_a_stop_in_the_first_moment_is_not_lost() -> None:
    early = (
        "import time; from seacod.system.processes.first_process import end_when_told; "
        "end_when_told(); "
        "print('here', flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [*ALONE, sys.executable, "-c", early], stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"here\n"
            only_child(process.pid).send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECONDS) == 0
        finally:
            process.kill()


def test_while_no_worker_serves_it_says_that_it_lives(inside: FirstProcess) -> None:
    inside.plan(never_ready=True)
    inside.start(wait=False)
    wait_until(lambda: inside.status() is not None, "a supervisor")
    assert fetch(f"{inside.url}/health/live")[0] == 200
    code, headers, _ = fetch(f"{inside.url}/health/ready")
    assert code == 503
    assert int(headers["Retry-After"]) > 0
    # Who asked whether it lives was not turned away.
    wait_until(lambda: "seacod_front_door_answers_total 1.0" in inside.metrics(), "one answer")
