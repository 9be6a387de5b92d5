"""Who is asked, who is believed, and who is signalled: commands on a machine with other users."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seacod.client import status_socket
from seacod.client.status_socket import NotBelieved, ask, find, reload_at, signal_at
from seacod.errors import ConfigError, NotRunning
from seacod.system.processes.process_handle import ProcessHandle

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")

# Listens on the socket it inherited, and says what it was told to; counts the SIGHUPs it gets.
SERVICE = """
import json, os, signal, socket, subprocess, sys, threading
listener = socket.socket(fileno=int(sys.argv[1]))
os.setuid(int(sys.argv[3]))
listener.listen()
said = json.loads(sys.argv[2])
child = subprocess.Popen(["sleep", "600"])
number = [0]
signal.signal(signal.SIGHUP, lambda *_: number.__setitem__(0, number[0] + 1))
signal.signal(signal.SIGTERM, lambda *_: (child.kill(), os._exit(0)))
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    facts = {"pid": os.getpid(), "child": child.pid,
             "reload": {"number": number[0], "state": "done", "problem": "", "problem_zh": ""},
             **said}
    connection.sendall(json.dumps(facts).encode())
    connection.close()
"""


class Listening:
    """A service of the tests' own at a place."""

    def __init__(self, path: Path, *, user: int = os.getuid(), **said: Any) -> None:
        self.path = path
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(path))
            # Whoever calls listen() is the one by the kernel's word.
            command = [sys.executable, "-c", SERVICE]
            self.process = subprocess.Popen(
                [*command, str(listener.fileno()), json.dumps(said), str(user)],
                pass_fds=(listener.fileno(),), stdout=subprocess.PIPE,
            )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def running() -> Iterator[list[Listening]]:
    made: list[Listening] = []
    yield made
    for one in made:
        one.end()


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is none of a service's."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture(autouse=True)
def no_place_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SEACOD_CONFIG", "RUNTIME_DIRECTORY", "SEACOD_PATHS_RUNTIME_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "own"))
    monkeypatch.setattr(status_socket, "_INSTALLED", tmp_path / "installed" / "status.sock")
    (tmp_path / "installed").mkdir(0o755)


def configuration(directory: Path, runtime: Path) -> Path:
    file = directory / "staging.yaml"
    file.write_text(f"paths: {{runtime_directory: {runtime}}}")
    return file


def test_the_installed_service_is_asked_before_one_that_somebody_tries(
    tmp_path: Path, running: list[Listening]
) -> None:
    (tmp_path / "own/seacod").mkdir(parents=True)
    running.append(Listening(tmp_path / "own/seacod/status.sock", state="tried"))
    assert find()[1]["state"] == "tried"
    running.append(Listening(tmp_path / "installed/status.sock", state="installed"))
    assert find()[1]["state"] == "installed"


@pytest.mark.parametrize("way", ["option", "SEACOD_CONFIG", "SEACOD_PATHS_RUNTIME_DIRECTORY",
                                 "RUNTIME_DIRECTORY"])  # fmt: skip
def test_a_command_that_was_given_a_place_asks_nowhere_else(
    tmp_path: Path, running: list[Listening], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """With staging down, nothing may happen to the installed service. Handed in as
    04-staging.yaml."""
    running.append(Listening(tmp_path / "installed/status.sock"))
    staging = tmp_path / "staging"
    staging.mkdir()
    config = configuration(tmp_path, staging)
    if way != "option":
        monkeypatch.setenv(way, str(config if way == "SEACOD_CONFIG" else staging))
    with pytest.raises(NotRunning, match=str(staging)):
        find(config if way == "option" else None)


def test_a_configuration_that_was_given_and_is_wrong_asks_nobody(
    tmp_path: Path, running: list[Listening], monkeypatch: pytest.MonkeyPatch
) -> None:
    running.append(Listening(tmp_path / "installed/status.sock"))
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("server: {prot: 1}")
    with pytest.raises(ConfigError):
        find(wrong)
    with pytest.raises(ConfigError):
        find(tmp_path / "none.yaml")
    monkeypatch.setenv("SEACOD_CONFIG", str(wrong))
    with pytest.raises(ConfigError):
        find()
    # `systemctl reload`: systemd says where the service is, and the service what is wrong.
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "installed"))
    assert find()[0] == tmp_path / "installed/status.sock"


def test_root_looks_for_nothing_in_tmp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert not [
        path for path in status_socket._places(None) if path.is_relative_to("/tmp/seacod-0")
    ]


def test_what_answers_where_everybody_may_write_is_not_believed(
    tmp_path: Path, running: list[Listening]
) -> None:
    place = tmp_path / "open"
    place.mkdir()
    running.append(Listening(place / "status.sock"))
    assert ask(place / "status.sock").pid == running[0].process.pid
    place.chmod(0o777)
    with pytest.raises(NotBelieved, match="chmod o-w"):
        ask(place / "status.sock")
    place.chmod(0o1777)
    with pytest.raises(NotBelieved):
        ask(place / "status.sock")
    place.chmod(0o755)
    (tmp_path / "link").symlink_to(place)
    with pytest.raises(NotBelieved):
        ask(tmp_path / "link/status.sock")


@needs_root
def test_a_socket_that_another_user_planted_is_not_believed(
    running: list[Listening], stranger: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = Path(f"/tmp/seacod-planted-{os.getpid()}")
    planted.mkdir()
    try:
        running.append(Listening(planted / "status.sock", user=NOBODY, pid=stranger.pid))
        os.chown(planted, NOBODY, NOBODY)
        with pytest.raises(NotBelieved, match=f"belongs to user {NOBODY}"):
            reload_at(planted / "status.sock")
        monkeypatch.setenv("RUNTIME_DIRECTORY", str(planted))
        with pytest.raises(NotBelieved):
            find()
        # Also where the directory is the service's own.
        os.chown(planted, 0, 0)
        with pytest.raises(NotBelieved, match=f"answered by user {NOBODY}"):
            reload_at(planted / "status.sock")
        assert stranger.poll() is None
    finally:
        (planted / "status.sock").unlink()
        planted.rmdir()


@needs_root
def test_the_service_of_its_own_user_in_a_directory_that_root_made_is_believed(
    running: list[Listening],
) -> None:
    place = Path(f"/run/seacod-test-{os.getpid()}")
    place.mkdir(0o755)
    try:
        running.append(Listening(place / "status.sock", user=NOBODY))
        os.chown(place, NOBODY, NOBODY)
        assert ask(place / "status.sock").user == NOBODY
        assert reload_at(place / "status.sock")["number"] == 1
    finally:
        (place / "status.sock").unlink()
        place.rmdir()


def test_a_reload_signals_who_listens_and_not_who_is_named(
    tmp_path: Path, running: list[Listening], stranger: subprocess.Popen[bytes]
) -> None:
    running.append(Listening(tmp_path / "status.sock", pid=stranger.pid))
    assert reload_at(tmp_path / "status.sock")["number"] == 1
    assert stranger.poll() is None


def test_a_signal_reaches_the_service_and_its_workers_and_nobody_else(
    tmp_path: Path, running: list[Listening], stranger: subprocess.Popen[bytes]
) -> None:
    path = tmp_path / "status.sock"
    running.append(Listening(path))
    for pid in (stranger.pid, os.getpid(), 1, 0, -1, 2**22 + 1):
        with pytest.raises(OSError):
            signal_at(path, pid, signal.SIGTERM)
    assert stranger.poll() is None
    told = ask(path)
    with ProcessHandle(told.status["child"]) as child:
        assert child.facts().parent == told.pid
        signal_at(path, told.status["child"], signal.SIGKILL)
    signal_at(path, told.pid, signal.SIGTERM)
    assert running[0].process.wait() == 0


@pytest.mark.parametrize("said", [b"", b"[]", b"nonsense", b"[" * 100_000, b'{"a": ' * 50_000])
def test_rubbish_is_nobody(tmp_path: Path, said: bytes) -> None:
    path = tmp_path / "status.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(said)

        talker = threading.Thread(target=answer)
        talker.start()
        with pytest.raises(ValueError):
            ask(path)
        talker.join()
