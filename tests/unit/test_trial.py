"""A second `--try` beside a first finds directories and ports of its own."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from seacod.cli import trial
from seacod.supervisor.lock import ServiceLock

ASKED = {"server.host": "127.0.0.1", "server.port": None, "metrics.port": 0}


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SEACOD_CONFIG", "RUNTIME_DIRECTORY", "STATE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def held(directory: Path, name: str = "lock") -> ServiceLock:
    directory.mkdir(parents=True)
    lock = ServiceLock(directory / name)
    lock.take()
    return lock


def test_the_only_one_takes_the_usual_directories(own: Path) -> None:
    assert "paths.runtime_directory" not in trial.beside_others(ASKED, None)


def test_each_further_one_has_directories_of_its_own_and_the_models_of_the_first(own: Path) -> None:
    first = held(own / "run/seacod")
    found = trial.beside_others(ASKED, None)
    assert found["paths.runtime_directory"] == own / "run/seacod-2"
    assert found["paths.state_directory"] == own / "state/seacod-2"
    assert found["asr.models_directory"] == own / "state/seacod/models"
    second = held(own / "run/seacod-2")
    assert trial.beside_others(ASKED, None)["paths.runtime_directory"] == own / "run/seacod-3"
    first.let_go()
    assert "paths.runtime_directory" not in trial.beside_others(ASKED, None)
    second.let_go()


def test_the_state_of_one_with_another_runtime_directory_is_not_shared(own: Path) -> None:
    """As after `su`, where XDG_RUNTIME_DIR is another one or none."""
    first = held(own / "state/seacod", "state.lock")
    found = trial.beside_others(ASKED, None)
    assert found["paths.state_directory"] == own / "state/seacod-2"
    first.let_go()
    assert "paths.state_directory" not in trial.beside_others(ASKED, None)


def test_what_was_asked_for_stays(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = held(own / "mine")
    monkeypatch.setenv("SEACOD_PATHS_RUNTIME_DIRECTORY", str(own / "mine"))
    assert "paths.runtime_directory" not in trial.beside_others(ASKED, None)
    lock.let_go()


def test_a_port_that_is_taken_is_replaced_unless_it_was_asked_for(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        monkeypatch.setattr(trial, "_is_free", lambda host, asked: asked != 7860)
        assert trial.beside_others(ASKED, None)["server.port"] not in (7860, port)
        assert "server.port" not in trial.beside_others({**ASKED, "server.port": port}, None)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "a\0b"])
def test_an_address_that_is_not_of_this_machine_is_left_to_the_start(own: Path, host: str) -> None:
    assert "server.port" not in trial.beside_others({**ASKED, "server.host": host}, None)
