"""What the supervisor tells systemd and takes from it, seen on a notify socket of ours.

tests/system has the real systemd; here each message can be looked at.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from supervised import ROOT, StandIn, wait_until


class NotifySocket:
    """Collects what is sent to NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.lines: list[str] = []

    def read(self) -> list[str]:
        while True:
            try:
                self.lines += self._socket.recv(65536).decode().splitlines()
            except BlockingIOError:
                return self.lines

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def notify(tmp_path: Path) -> Iterator[NotifySocket]:
    one = NotifySocket(tmp_path / "notify")
    yield one
    one.close()


def test_ready_comes_only_when_the_model_answers(service: StandIn, notify: NotifySocket) -> None:
    service.environment["NOTIFY_SOCKET"] = str(notify.path)
    service.plan(never_ready=True)
    service.start(wait=False)
    service.wait_for_state("starting")
    wait_until(
        lambda: any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in notify.read()),
        "systemd is asked for patience",
    )
    assert "READY=1" not in notify.read()
    assert any(line.startswith("STATUS=starting") for line in notify.read())


def test_the_whole_talk_of_a_normal_life(service: StandIn, notify: NotifySocket) -> None:
    service.environment |= {"NOTIFY_SOCKET": str(notify.path), "WATCHDOG_USEC": "3000000"}
    service.start()
    wait_until(lambda: "WATCHDOG=1" in notify.read(), "a watchdog beat")
    wait_until(
        lambda: any("model stand-in on cpu" in line for line in notify.read()), "STATUS in words"
    )
    assert service.stop() == 0
    lines = notify.read()
    assert lines.index("READY=1") < lines.index("STOPPING=1")


def test_the_failure_of_a_first_start_is_told(service: StandIn, notify: NotifySocket) -> None:
    service.environment["NOTIFY_SOCKET"] = str(notify.path)
    service.plan(exit_at_start=69, fault="the model cannot be had")
    service.start(wait=False)
    assert service.process is not None
    # Read all the time: a socket holds ten messages, and a slow start sends more.
    wait_until(lambda: notify.read() and service.process.poll() is not None, "its end")
    assert service.wait_for_exit() == 69
    assert "STATUS=the model cannot be had" in notify.read()
    assert "EXIT_STATUS=69" in notify.read()


def test_the_socket_of_systemd_is_used(service: StandIn) -> None:
    # As systemd does it: the socket is descriptor 3, LISTEN_PID is the supervisor's own pid.
    as_systemd = (
        "import os, sys\n"
        "os.dup2(int(sys.argv[1]), 3)\n"
        "os.environ |= {'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '1'}\n"
        "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])\n"
    )
    supervisor = service.command[1:]
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        service.process = subprocess.Popen(
            [sys.executable, "-c", as_systemd, str(listener.fileno()), *supervisor],
            pass_fds=(listener.fileno(),),
            stdout=service.log_file.open("ab"),
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                **service.environment,
            },
        )
        service.wait_for_state("serving")
        service.port = listener.getsockname()[1]
        assert service.get()[0] == 200
        assert service.stop() == 0
        # The socket is systemd's: what connects now waits there for the next start.
        with socket.create_connection(("127.0.0.1", service.port)):
            pass


def test_a_systemd_that_reads_nothing_stops_nobody(service: StandIn, notify: NotifySocket) -> None:
    service.environment["NOTIFY_SOCKET"] = str(notify.path)
    service.start()
    # More than its socket holds: each reload tells several things.
    for number in range(1, 9):
        service.configure(limits={"queue_length": number})
        reloads = len(service.events("configuration_reloaded"))
        service.signal(signal.SIGHUP)
        wait_until(
            lambda then=reloads: len(service.events("configuration_reloaded")) > then, "a reload"
        )
    assert service.get()[0] == 200
    # What it is to know it hears, in the order it was.
    told = wait_until(
        lambda: (lines := notify.read()).count("RELOADING=1") == 8 and lines, "all reloads"
    )
    kept = [line for line in told if line in {"READY=1", "RELOADING=1"}]
    assert kept == ["READY=1", *(["RELOADING=1", "READY=1"] * 8)][: len(kept)]
    assert service.stop() == 0


def test_a_reload_is_told_from_beginning_to_end(service: StandIn, notify: NotifySocket) -> None:
    service.environment["NOTIFY_SOCKET"] = str(notify.path)
    service.start()
    wait_until(lambda: "READY=1" in notify.read(), "ready")
    notify.lines.clear()
    service.configure(asr={"cpu_threads": 1})
    service.signal(signal.SIGHUP)
    wait_until(lambda: "READY=1" in notify.read(), "the end of the reload")
    lines = notify.lines
    assert lines.index("RELOADING=1") < lines.index("READY=1")
    (moment,) = [line for line in lines if line.startswith("MONOTONIC_USEC=")]
    assert int(moment.partition("=")[2]) > 0
    assert any("a worker with new settings is loading" in line for line in lines)


def test_a_reload_before_the_first_answer_is_no_readiness(
    service: StandIn, notify: NotifySocket
) -> None:
    service.environment["NOTIFY_SOCKET"] = str(notify.path)
    service.plan(never_ready=True)
    service.start(wait=False)
    service.wait_for_state("starting")
    service.signal(signal.SIGHUP)
    wait_until(lambda: service.events("configuration_unchanged"), "the reload")
    assert "READY=1" not in notify.read()
    assert "RELOADING=1" not in notify.read()


def test_a_taken_port_is_told_with_its_error_number(service: StandIn, notify: NotifySocket) -> None:
    service.environment["NOTIFY_SOCKET"] = str(notify.path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", service.port))
        other.listen()
        service.start(wait=False)
        assert service.wait_for_exit() == 71
    lines = notify.read()
    assert f"ERRNO={errno.EADDRINUSE}" in lines
    assert "EXIT_STATUS=71" in lines
    assert any(f"{service.port} on 127.0.0.1 is taken" in line for line in lines)
