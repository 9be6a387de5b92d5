"""Commands of somebody who is neither root nor in the service's group: what is open to all is used,
and what is missing is said. In Chinese and in encodings that have none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sounds
import typed
from supervised import PATIENCE_SECONDS, ROOT, Service

NOBODY = 65534
# Reads what lies in root's home, such as Python, and writes nothing of root's, no socket either.
BECOMES_NOBODY = (
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
    "--bounding-set=-all,+dac_read_search", "--inh-caps=-all,+dac_read_search",
    "--ambient-caps=-all,+dac_read_search",
)  # fmt: skip
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can be somebody else"
)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    # pytest's own directories are closed to others.
    above = Path(tempfile.mkdtemp(prefix="seacod-open-"))
    above.chmod(0o755)
    one = Service(above)
    try:
        with one.running():
            (above / "run").chmod(0o755)
            one.config.chmod(0o600)
            yield one
    finally:
        shutil.rmtree(above)


def run(
    service: Service, *words: str, user: int = NOBODY, **environment: str
) -> subprocess.CompletedProcess[str]:
    variables = {
        "HOME": "/nonexistent", "RUNTIME_DIRECTORY": str(service.directory / "run"),
        "LANG": "C.UTF-8", **environment,
    }  # fmt: skip
    if not user and not any(name.startswith("PYTHON") for name in environment):
        done = typed.seacod(*words, directory=Path("/"), **variables)
    else:
        # Another user and another encoding are there from the start.
        done = subprocess.run(
            [*(BECOMES_NOBODY if user else ()), sys.executable, "-m", "seacod", *words],
            capture_output=True, timeout=PATIENCE_SECONDS, check=False,
            encoding="utf-8", errors="replace", cwd="/",
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables},
        )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_status_says_what_the_open_port_tells_and_what_is_missing(service: Service) -> None:
    done = run(service, "status")
    assert done.returncode == 0, done.stderr
    assert "only root and members of the group seacod may ask the service" in done.stdout
    assert "sudo seacod status" in done.stdout
    assert f"{service.url}" in done.stdout
    assert "serving" in done.stdout


def test_a_recording_is_transcribed_through_the_open_port(service: Service) -> None:
    recording = service.directory / "recording.flac"
    shutil.copy(sounds.SPEECH, recording)
    done = run(service, "transcribe", str(recording))
    assert (done.returncode, done.stdout) == (0, f"{sounds.SPEECH_TEXT}\n"), done.stderr


def test_check_looks_at_what_is_open_and_names_the_rest(service: Service) -> None:
    done = run(service, "check", "service", "address", "recognition", "alerts", "ports", "device")
    lines = {line.split()[1]: line for line in done.stdout.splitlines() if line[:1].isalpha()}
    assert done.returncode == 1
    assert lines["service"].startswith("ok")
    assert lines["address"].startswith("ok")
    assert lines["recognition"].startswith("ok")
    for name in ("alerts", "ports", "device"):
        assert lines[name].startswith("warn"), lines
        assert "only root and members of the group seacod" in lines[name]
    assert "sudo seacod check" in done.stdout


@pytest.mark.parametrize("user", [0, NOBODY])
def test_status_and_check_are_in_one_language(service: Service, user: int) -> None:
    items = ("service", "address", "gpu", "alerts", "jobs", "metrics")
    for words in (("status",), ("check", *items)):
        chinese = run(service, *words, user=user, LANG="zh_CN.UTF-8").stdout
        for english in (
            "in flight",
            "waiting",
            "serving",
            "since",
            "ago",
            "absent",
            " up ",
            "none",
        ):
            assert english not in chinese, chinese
        other = run(service, *words, user=user).stdout
        assert other.isascii() or "→" in other, other


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"},
        {"PYTHONIOENCODING": "latin-1", "LANG": "zh_CN.UTF-8"},
    ],
)
def test_an_encoding_without_chinese_ends_no_command(
    service: Service, environment: dict[str, str]
) -> None:
    for words in (
        ("check", "recognition"),
        ("status",),
        ("alerts", "--kinds"),
        ("runbook", "jobs"),
    ):
        done = run(service, *words, user=0, **environment)
        assert done.returncode in (0, 1), done.stderr
        assert done.stdout
