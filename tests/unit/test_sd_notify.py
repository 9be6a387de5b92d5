"""What systemd hears (sd_notify(3)), word for word, on a socket as systemd has it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from seacod.supervisor.systemd import notify
from seacod.supervisor.systemd.notify import Notifier


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(str(path))
        one.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        monkeypatch.setenv("WATCHDOG_USEC", "20000000")
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
        yield one


def heard(systemd: socket.socket) -> list[str]:
    """Everything that was told so far."""
    found = []
    while True:
        try:
            found.append(systemd.recv(4096).decode())
        except BlockingIOError:
            return found


def test_each_word_is_the_one_that_systemd_knows(systemd: socket.socket) -> None:
    notifier = Notifier()
    notifier.extend_start(31.5)
    notifier.ready()
    notifier.status("serving, 识别")
    notifier.watchdog()
    notifier.stopping()
    notifier.failed(78, "server.port: taken\nand more", 98)
    assert heard(systemd) == [
        "EXTEND_TIMEOUT_USEC=31500000",
        "READY=1",
        "STATUS=serving, 识别",
        "WATCHDOG=1",
        "STOPPING=1",
        "STATUS=server.port: taken\nEXIT_STATUS=78\nERRNO=98",
    ]
    assert notifier.watchdog_seconds == 20.0
    assert notifier.watchdog_at is not None


def test_a_status_that_has_not_changed_is_told_once(systemd: socket.socket) -> None:
    notifier = Notifier()
    for text in ("starting", "starting", "serving", "serving"):
        notifier.status(text)
    assert heard(systemd) == ["STATUS=starting", "STATUS=serving"]


def test_a_reload_before_the_first_answer_is_not_told(systemd: socket.socket) -> None:
    notifier = Notifier()
    notifier.reloading()
    notifier.reloaded()
    assert heard(systemd) == [], "its end would be a false READY=1"
    notifier.ready()
    notifier.reloading()
    notifier.reloaded()
    ready, begun, ended = heard(systemd)
    assert (ready, ended) == ("READY=1", "READY=1")
    assert begun.startswith("RELOADING=1\nMONOTONIC_USEC=")


def test_what_systemd_does_not_read_now_it_reads_later(systemd: socket.socket) -> None:
    notifier = Notifier()
    for number in range(400):
        notifier.status(f"state {number}")
        notifier.watchdog()
    notifier.stopping()
    early = heard(systemd)
    assert 0 < len(early) < 400, "its socket is full after a few"
    notifier.watchdog()
    late = heard(systemd)
    # Of what replaces itself the newest alone; of everything else each word.
    assert "STATUS=state 399" in late
    assert "STOPPING=1" in late
    assert sum(one.startswith("STATUS=") for one in late) == 1


@pytest.mark.parametrize(
    ("microseconds", "pid", "seconds"),
    [("20000000", None, 20.0), ("20000000", "1", None), ("", None, None), ("soon", None, None)],
)
def test_the_watchdog_is_ours_or_nobodys(
    monkeypatch: pytest.MonkeyPatch, microseconds: str, pid: str | None, seconds: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    if pid is not None:
        monkeypatch.setenv("WATCHDOG_PID", pid)
    else:
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
    assert notify._watchdog_seconds() == seconds


def test_children_do_not_speak_for_us(systemd: socket.socket) -> None:
    Notifier()
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & set(os.environ)
