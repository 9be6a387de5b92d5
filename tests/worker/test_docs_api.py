"""Every command and program of docs/api.md is run, against the real service, and the programs of
docs/clients.md."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import sounds
from supervised import PATIENCE_SECONDS, ROOT, Service

from seacod.asr import audio

PAGE = (ROOT / "docs/api.md").read_text("utf-8")


def blocks(language: str, page: str = PAGE) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


# What only answers a callback is tried in tests/jobs/test_callbacks.py.
PROGRAMS = [
    one
    for one in blocks("python") + blocks("python", (ROOT / "docs/clients.md").read_text("utf-8"))
    if "127.0.0.1:7860" in one
]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    for name in ("recording.wav", "another.wav"):
        shutil.copy(sounds.SPEECH, tmp_path / name)
    # `seacod` as an installed one is called.
    command = tmp_path / "seacod"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m seacod "$@"\n')
    command.chmod(0o755)
    return tmp_path


def adapted(text: str, live: Service) -> str:
    return text.replace("http://127.0.0.1:7860", live.url).replace(
        "ws://127.0.0.1:7860", live.url.replace("http", "ws", 1)
    )


def environment(here: Path) -> dict[str, str]:
    path = f"{here}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "no_proxy": "127.0.0.1"}


def test_the_shell_examples_work(live: Service, here: Path) -> None:
    script = adapted("\n".join(blocks("sh")), live)
    # -f: an error status fails the script, but for the last: the job may be over by then.
    cancel = script.index("curl -X DELETE")
    script = script[:cancel].replace("curl ", "curl -sSf ") + script[cancel:]
    result = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=here, env=environment(here), capture_output=True, text=True,
        timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.count(sounds.SPEECH_TEXT) >= 4
    assert "00:00:00," in result.stdout
    assert "event: done" in result.stdout
    assert "robot:sha256$" in result.stdout
    assert "anna:scrypt$" in result.stdout
    assert (here / "results.zip").stat().st_size > 500


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_the_programs_work(live: Service, here: Path, number: int) -> None:
    program = PROGRAMS[number]
    speech = audio.decode(sounds.SPEECH, max_seconds=60)
    (here / "speech-16k.wav").write_bytes(sounds.wav((speech * 32767).astype("<i2").tobytes()))
    result = subprocess.run(
        [sys.executable, "-c", adapted(program, live)],
        cwd=here, env=environment(here), capture_output=True, text=True,
        timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == sounds.SPEECH_TEXT


def test_the_error_has_the_shape_described(live: Service) -> None:
    import httpx

    described = blocks("json")[0]
    answer = httpx.post(
        f"{live.url}/transcribe", files={"file": b""}, trust_env=False, timeout=PATIENCE_SECONDS
    ).json()
    shape = re.sub(r"\.\.\.|…", "", described)
    assert set(json.loads(shape)["error"]) == set(answer["error"])
