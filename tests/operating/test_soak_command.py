"""`seacod soak` on a running service: two minutes of all mixes with a worker killed in
between, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sounds
from supervised import PATIENCE_SECONDS, ROOT, Service, StandIn, wait_until

pytestmark = pytest.mark.full

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}


def command(service: Service, *arguments: str | Path) -> list[str]:
    return [
        sys.executable, "-m", "seacod", "soak", "--config", str(service.config),
        *map(str, arguments),
    ]  # fmt: skip


def soak(service: Service, *arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(service, *arguments), capture_output=True, text=True, check=False, timeout=500,
        env={**ENVIRONMENT, **more},
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    one = Service(tmp_path_factory.mktemp("soaked"))
    one.configure(server={"page": "on"})
    with one.running():
        one.nursery()
        yield one


def answered(service: Service) -> int:
    return int(json.loads(service.get("/system")[2])["answered"])


def test_two_minutes_of_everything_with_a_killed_worker(service: Service, tmp_path: Path) -> None:
    worker = service.worker_pid()
    done = soak(service, "--hours", "1", "--speed", "30", "--drills", "kill-worker", "-o", tmp_path)
    found: dict[str, Any] = json.loads((tmp_path / "soak.json").read_text("utf-8"))
    assert done.returncode == 0, (found["problems"], done.stderr[-2000:])
    assert found["good"]
    assert (found["work"]["lost"], found["work"]["wrong"], found["work"]["refused"]) == (0, 0, 0)
    assert found["work"]["right"] == found["work"]["pieces"]
    # Each mix, and each kind of work in it.
    seen = {(one["mix"], one["kind"]) for one in found["mixes"]}
    assert seen == {
        ("A", "recording"), ("B", "recording"), ("B", "batch"), ("B", "microphone"), ("B", "page"),
        ("C", "recording"),
    }  # fmt: skip
    assert [one["cause"] for one in found["restarts"]] == ["signal SIGKILL"]
    assert [one["drill"] for one in found["drills"]] == ["kill-worker"]
    assert service.worker_pid() != worker
    assert found["availability"]["probes"] > 10
    assert found["availability"]["refused"] == 0
    whats = {one["what"].split()[0] for one in found["memory"]}
    assert {"supervisor", "worker", "nursery"} <= whats
    page = (tmp_path / "soak.html").read_text("utf-8")
    assert "Good." in page
    assert page.count("<svg") == 3
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "pieces of work" in done.stdout


def test_ended_early_it_still_reports(service: Service, tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(service, "--hours", "1", "--speed", "20", "-o", tmp_path),
        env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    before = answered(service)
    wait_until(lambda: answered(service) > before + 8, "work that is done")
    process.send_signal(signal.SIGINT)
    said, complained = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130, complained
    assert "Traceback" not in complained
    found = json.loads((tmp_path / "soak.json").read_text("utf-8"))
    assert found["ended_early"]
    assert "ended early" in (tmp_path / "soak.html").read_text("utf-8")
    assert "good" in said


def test_speech_of_ones_own_and_what_is_none(service: Service, tmp_path: Path) -> None:
    done = soak(service, "--recordings", tmp_path / "nothing.wav", "-o", tmp_path)
    assert done.returncode == 1
    assert "nothing.wav" in done.stderr
    silence = tmp_path / "silence.wav"
    silence.write_bytes(sounds.wav(b"\0\0" * 16000))
    done = soak(service, "--recordings", silence, "-o", tmp_path)
    assert done.returncode == 1
    assert "finds no speech in the recordings" in done.stderr
    assert not (tmp_path / "soak.json").exists()


def test_bad_use_gets_a_sentence(tmp_path: Path) -> None:
    none = StandIn(tmp_path / "none")
    for arguments, words, code in (
        (("--speed", "0"), "--hours and --speed must be greater than 0", 1),
        (("--drills", "set-fire"), "there is no such drill; there are: kill-worker", 1),
        (("-o", "/proc/nowhere"), "/proc/nowhere: cannot be made", 73),
        ((), "no seacod service answers", 69),
    ):
        done = soak(none, *arguments, *(() if "-o" in arguments else ("-o", tmp_path)),
                    XDG_RUNTIME_DIR=str(tmp_path))  # fmt: skip
        assert done.returncode == code, done.stderr
        assert words in done.stderr
