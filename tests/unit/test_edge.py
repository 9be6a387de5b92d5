"""The edge of the command line: whatever goes wrong, a person gets one sentence and scripts a code;
and what helps to type it: completion and the manual page."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from supervised import ROOT

from seacod.cli.main import at_the_edge, main
from seacod.config.load import ENV_DEBUG, load_settings
from seacod.errors import CannotWrite, ConfigError


def raising(error: BaseException) -> int:
    raise error


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ConfigError("the line is wrong", "该行有误"), 78, "seacod: the line is wrong\n"),
        (PermissionError(13, "Permission denied", "/a/file"), 1, "/a/file: Permission denied\n"),
        (ZeroDivisionError("division by zero"), 70, "ZeroDivisionError: division by zero"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_become_sentences_and_codes(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    words: str,
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    assert at_the_edge(lambda: raising(error)) == code
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == (1 if words else 0)


def test_who_asks_for_it_gets_the_whole_story(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        at_the_edge(lambda: raising(ZeroDivisionError()), is_daemon=True)
    monkeypatch.setenv(ENV_DEBUG, "1")
    with pytest.raises(ZeroDivisionError):
        at_the_edge(lambda: raising(ZeroDivisionError()))


def test_a_full_disk_behind_standard_output_is_no_fault_of_ours() -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m seacod config example > /dev/full"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C"},
    )  # fmt: skip
    assert done.returncode == CannotWrite.exit_code
    assert done.stderr == "seacod: the output cannot be written: No space left on device\n"


def test_an_interrupt_while_a_command_is_imported_has_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("seacod.cli.main.make_parser", lambda typed: raising(KeyboardInterrupt()))
    with pytest.raises(SystemExit) as ended:
        main(["status"])
    assert ended.value.code == 130


def test_variables_of_commands_are_no_settings() -> None:
    load_settings(environment={ENV_DEBUG: "1", "SEACOD_API_KEY": "x"}, default_file=None)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_command_without_its_standard_streams_does_what_it_does(
    tmp_path: Path, closed: str
) -> None:
    """What is opened next does not get their numbers, and is not written to."""
    file = tmp_path / "seacod.yaml"
    file.write_text("server:\n  port: 1\n")
    for arguments, code in ((["config", "show", str(file)], 0), (["status", "--config", "/x"], 78)):
        typed = shlex.join([sys.executable, "-m", "seacod", *arguments])
        done = subprocess.run(
            ["bash", "-c", f"{typed} {closed}"], capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
    assert file.read_text() == "server:\n  port: 1\n"


def test_a_command_whose_directory_is_gone_does_what_it_does(tmp_path: Path) -> None:
    script = (
        "import os, shutil, sys; gone = sys.argv[1]; os.mkdir(gone); os.chdir(gone); "
        "os.rmdir(gone); from seacod.cli.main import main; "
        "sys.argv = ['seacod', 'config', 'show']\n"
        "try:\n    main()\nfinally:\n    print(os.getcwd())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "gone")], capture_output=True, text=True,
        check=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "/"


def completed(*words: str) -> set[str]:
    """What the shell offers for the last word."""
    script = (
        f"source {ROOT}/etc/completion/seacod.bash; COMP_WORDS=({' '.join(map(repr, words))}); "
        f"COMP_CWORD={len(words) - 1}; _shtab_seacod; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_shell_completes_commands_options_and_names() -> None:
    assert completed("seacod", "ch") == {"check"}
    assert "--json" in completed("seacod", "check", "--j")
    assert completed("seacod", "drill", "kill-w") == {"kill-worker"}
    assert completed("seacod", "runbook", "disk_") == {"disk_low", "disk_full"}
    assert "worker" not in completed("seacod", "")


@pytest.mark.skipif(shutil.which("man") is None, reason="there is no man here")
def test_the_manual_page_is_one() -> None:
    page = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-P", "cat",
         str(ROOT / "docs/man/seacod.1")],
        capture_output=True, text=True, check=True, env={**os.environ, "MANWIDTH": "90"},
    )  # fmt: skip
    assert page.stderr == ""
    # Bold letters are written twice.
    text = re.sub(".\b", "", page.stdout)
    for words in ("seacod check", "seacod bench engine", "EXIT STATUS", "/etc/seacod/seacod.yaml"):
        assert words in text
    assert "seacod worker" not in text
