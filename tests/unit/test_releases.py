"""`seacod rollback` and `seacod upgrade --check` on releases of this test's own: which one is
chosen, what keeps them from going, and what systemd is asked."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from seacod.cli import releases, upgrade
from seacod.cli.main import main
from seacod.errors import EX_OK

PROGRAM = """
import sys
text = open(__import__("os").environ["SEACOD_CONFIG"]).read()
if "of the next release" in text:
    sys.exit("seacod: asr.flux is no setting")
print("good")
"""


class Machine:
    """/opt/seacod, a configuration and a systemctl that only writes down what it was asked."""

    def __init__(self, directory: Path) -> None:
        self.prefix = directory / "opt"
        self.config = directory / "seacod.yaml"
        self.state = directory / "state"
        self.asked = directory / "asked"
        paths = {"state_directory": str(self.state), "runtime_directory": str(directory / "run")}
        self.config.write_text(json.dumps({"paths": paths}))
        (self.state / "jobs").mkdir(parents=True)
        programs = directory / "bin"
        programs.mkdir()
        systemctl = programs / "systemctl"
        systemctl.write_text(f'#!/bin/sh\necho "$@" >>{self.asked}\n')
        systemctl.chmod(0o755)
        os.environ["PATH"] = f"{programs}:{os.environ['PATH']}"

    def release(self, name: str, at: float, *, knows: int | None = 1, store: bool = True) -> Path:
        path = self.prefix / "releases" / name
        package = path / "lib" / "python3.11" / "site-packages" / "seacod"
        for folder in ("jobs", "supervisor/systemd"):
            (package / folder).mkdir(parents=True)
        (package / "__init__.py").write_text('__version__ = "9"\n')
        (package / "__main__.py").write_text(PROGRAM)
        (package / "jobs" / "__init__.py").touch()
        (package / "jobs" / "database.py").write_text(
            "" if knows is None else f"FORMAT = {knows}\n"
        )
        sends = 'self._send("FDSTORE=1")\n' if store else ""
        (package / "supervisor" / "systemd" / "notify.py").write_text(sends)
        (path / "bin").mkdir()
        python = path / "bin" / "python"
        python.write_text(f'#!/bin/sh\nPYTHONPATH={package.parent} exec {sys.executable} "$@"\n')
        python.chmod(0o755)
        (path / ".complete").touch()
        os.utime(path, (at, at))
        return path

    def use(self, name: str) -> None:
        link = self.prefix / "venv"
        link.unlink(missing_ok=True)
        link.symlink_to(f"releases/{name}")

    @property
    def used(self) -> str:
        return os.readlink(self.prefix / "venv")

    def stores(self, version: int) -> None:
        with closing(sqlite3.connect(self.state / "jobs" / "jobs.db")) as database:
            database.execute(f"PRAGMA user_version = {version}")
            database.execute("CREATE TABLE jobs (id TEXT)")
            database.commit()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("PATH", os.environ["PATH"])
    monkeypatch.delenv("SEACOD_CONFIG", raising=False)
    one = Machine(tmp_path)
    monkeypatch.setattr(releases, "PREFIX", one.prefix)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    one.release("old", 100.0)
    one.release("older", 50.0)
    one.release("new", 200.0)
    one.use("new")
    return one


def rollback(machine: Machine, *words: str) -> int:
    return seacod("rollback", *words, "--config", str(machine.config))


def seacod(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


def test_the_one_before_is_taken_and_nobody_is_refused(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rollback(machine) == EX_OK
    assert machine.used == "releases/old"
    # systemd keeps the sockets over a restart.
    assert machine.asked.read_text() == "restart seacod.service\n"
    assert f"{machine.prefix}/releases/new/bin/seacod rollback new" in capsys.readouterr().out


def test_a_second_time_goes_further_back_and_never_forward(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rollback(machine) == EX_OK
    assert rollback(machine) == EX_OK
    assert machine.used == "releases/older"
    assert rollback(machine) != EX_OK
    assert "no release before the one in use" in capsys.readouterr().err
    assert machine.used == "releases/older"
    assert rollback(machine, "new") == EX_OK


def test_one_that_knows_no_store_is_begun_anew(machine: Machine) -> None:
    machine.release("ancient", 10.0, store=False, knows=None)
    assert rollback(machine, "ancient") == EX_OK
    assert machine.asked.read_text() == "stop seacod.service\nstart seacod.service\n"


def test_what_is_stored_by_a_newer_one_keeps_it_from_going(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.stores(2)
    assert rollback(machine) != EX_OK
    assert machine.used == "releases/new"
    assert not machine.asked.exists()
    told = capsys.readouterr()
    assert "of format 2, and it knows 1" in told.out
    assert "nothing was changed" in told.err
    assert rollback(machine, "--force") == EX_OK
    assert machine.used == "releases/old"


def test_a_configuration_that_it_cannot_use_keeps_it_from_going(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.config.write_text(machine.config.read_text() + "\n# of the next release\n")
    assert rollback(machine) != EX_OK
    assert "asr.flux is no setting" in capsys.readouterr().out
    assert machine.used == "releases/new"


def test_a_look_changes_nothing(machine: Machine) -> None:
    assert rollback(machine, "--check") == EX_OK
    machine.stores(2)
    assert rollback(machine, "--check") != EX_OK
    assert machine.used == "releases/new"
    assert not machine.asked.exists()


@pytest.mark.parametrize("name", ["new", "nothing", "../old"])
def test_one_that_is_none_is_named(
    machine: Machine, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rollback(machine, name) != EX_OK
    assert "new" in capsys.readouterr().err
    assert machine.used == "releases/new"


def test_an_installation_that_was_cut_off_is_none(machine: Machine) -> None:
    (machine.prefix / "releases" / "old" / ".complete").unlink()
    assert rollback(machine) == EX_OK
    assert machine.used == "releases/older"


def test_what_would_come_is_looked_at(
    machine: Machine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    fresh = tmp_path / "checkout"
    (fresh / "seacod" / "jobs").mkdir(parents=True)
    (fresh / "install.sh").write_text("#!/bin/sh\nexit 7\n")
    (fresh / "seacod" / "__init__.py").write_text('__version__ = "9.1"\n')
    (fresh / "seacod" / "__main__.py").write_text(PROGRAM)
    (fresh / "seacod" / "jobs" / "__init__.py").touch()
    (fresh / "seacod" / "jobs" / "database.py").write_text("FORMAT = 2\n")
    machine.stores(2)
    # No service runs: that is a warning.
    assert seacod("upgrade", "--check", str(fresh), "--config", str(machine.config)) == 1
    told = capsys.readouterr().out
    assert "in use: new; to come: 9.1" in told
    assert "kept now: old, older" in told
    with closing(sqlite3.connect(machine.state / "jobs" / "jobs.db")) as database:
        database.execute("PRAGMA user_version = 3")
    assert seacod("upgrade", str(fresh), "--config", str(machine.config)) != EX_OK
    assert "of format 3, and it knows 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1min 30s", 90.0), ("1h 5min", 3900.0), ("500ms", 0.5), ("infinity", None), ("", None)],
)
def test_times_as_systemd_writes_them(text: str, seconds: float | None) -> None:
    assert upgrade._seconds(text) == seconds
