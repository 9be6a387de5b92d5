"""`./install.sh --try`, as a newcomer types it; ./tests/run has made .venv already."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import sounds
from supervised import PATIENCE_SECONDS, ROOT, fetch, free_port, wait_until


class Trial:
    """The command in a terminal of its own: a session whose members Ctrl-C reaches together."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        self.output = directory / "output"
        environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
        environment |= {
            "XDG_STATE_HOME": str(directory / "state"),
            "XDG_RUNTIME_DIR": str(directory),
            # As tests/run calls it; otherwise .venv would be taken for another installation.
            "SEACOD_TORCH": "cpu",
        }
        self.process = subprocess.Popen(
            [
                str(ROOT / "install.sh"), "--try", "--port", str(self.port),
                "--metrics-port", str(self.metrics_port), *options,
            ],
            stdout=self.output.open("wb"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env=environment, cwd=directory, start_new_session=True,
        )  # fmt: skip

    @property
    def said(self) -> str:
        return self.output.read_text("utf-8")

    def members(self) -> list[psutil.Process]:
        """Everything the command started; empty when it is over and nothing was left behind."""
        try:
            command = psutil.Process(self.process.pid)
            return [command, *command.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def end(self) -> None:
        for process in self.members():
            process.kill()


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    if not (ROOT / ".venv" / ".seacod-installed").exists():
        pytest.skip("there is no .venv made by install.sh; run the tests with ./tests/run")
    # What a working directory holds must not matter to any of our processes.
    (tmp_path / "seacod").mkdir()
    (tmp_path / "seacod" / "main.py").write_text("raise SystemExit('not me')")
    (tmp_path / "torch.py").write_text("raise SystemExit('not me')")
    one = Trial(tmp_path)
    yield one
    one.end()


def test_one_command_serves_and_ctrl_c_ends_all_of_it(trial: Trial) -> None:
    page = f"http://127.0.0.1:{trial.port}"
    wait_until(lambda: "is ready" in trial.said, "an announcement")
    assert "Installing" not in trial.said
    for address in (page, f"{page}/transcribe", f"http://127.0.0.1:{trial.metrics_port}/metrics"):
        assert address in trial.said
    assert "not for real speech" in trial.said
    assert "仅供试用" in trial.said
    curl = subprocess.run(
        ["curl", "-sS", "-F", f"file=@{sounds.SPEECH}", f"{page}/transcribe"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert sounds.SPEECH_TEXT in curl.stdout
    assert fetch(f"http://127.0.0.1:{trial.metrics_port}/metrics")[0] == 200
    members = trial.members()
    assert len(members) >= 2

    os.killpg(trial.process.pid, signal.SIGINT)
    assert trial.process.wait(PATIENCE_SECONDS) == 0
    assert not any(member.is_running() for member in members)
    assert "Traceback" not in trial.said


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path, trial: Trial) -> None:
    wait_until(lambda: "supervisor_started" in trial.said, "the first one")
    outcome = subprocess.run(
        [str(ROOT / ".venv/bin/seacod"), "run", "--try", "--port", str(trial.port)],
        capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "x")},
    )  # fmt: skip
    assert outcome.returncode != 0
    assert str(trial.port) in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize("option", ["--port", "--metrics-port"])
def test_a_port_that_is_taken_is_told_before_anything_is_installed(
    tmp_path: Path, option: str
) -> None:
    """Of a checkout without .venv, which takes minutes to make."""
    shutil.copy2(ROOT / "install.sh", tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        outcome = subprocess.run(
            [str(tmp_path / "install.sh"), "--try", "--dry-run", option, port],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert outcome.returncode == 1
    assert f"{option} {port} is taken by another program" in outcome.stderr
    assert "would make" not in outcome.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--prot", "1"], "unknown option --prot"),
        (["--try", "--port"], "--port needs a value"),
        (["--try", "--port", "many"], "--port many: a port is a number"),
    ],
)
def test_a_mistyped_option_is_named(options: list[str], words: str) -> None:
    outcome = subprocess.run(
        [str(ROOT / "install.sh"), *options], capture_output=True, text=True, check=False
    )
    assert outcome.returncode != 0
    assert words in outcome.stderr


def test_without_systemd_the_installer_says_what_works() -> None:
    if Path("/run/systemd/system").exists() or os.geteuid() != 0:
        pytest.skip("systemd runs this machine, or this is not root")
    outcome = subprocess.run(
        [str(ROOT / "install.sh")], capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 1
    assert "./install.sh --try works without it" in outcome.stderr
