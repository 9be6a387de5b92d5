"""The benches run, and what they print is what they say it is. No figure is asserted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from documented import blocks
from sounds import SPEECH
from supervised import QUICK_START, ROOT

from seacod.config.schema import Settings
from seacod.proving.audio_rate import ThroughputFigures
from seacod.proving.bench import throughput
from seacod.proving.statistics import quantile

pytestmark = pytest.mark.timeout(600)


def bench(*arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, "-m", "seacod", "bench", *arguments],
        capture_output=True, text=True, cwd=ROOT, timeout=560, check=False,
        env={**os.environ, **QUICK_START},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.full
def test_recommended_limits_are_a_configuration() -> None:
    printed = bench("engine", "--tune")
    settings = Settings.model_validate(yaml.safe_load(printed))
    assert settings.limits.queue_length >= 4
    assert settings.asr.batch_seconds >= 5


@pytest.mark.full
def test_all_three_servers_transcribe_under_the_bench(tmp_path: Path) -> None:
    printed = bench(
        "throughput", "--clients", "2", "--seconds", "1", "--json", "--output", str(tmp_path)
    )
    found = json.loads(printed)
    assert [f["peer"] for f in found["figures"]] == ["seacod", "plain Gradio app", "funasr-server"]
    for figures in found["figures"]:
        assert figures["answered"] > 0
        assert figures["errors"] == 0
    assert set(found["ratios"]["2"]) == {"plain Gradio app", "funasr-server"}
    assert json.loads((tmp_path / "throughput.json").read_text()) == found
    assert (tmp_path / "throughput.svg").read_text().startswith("<svg ")


def test_ratios_are_ours_over_theirs() -> None:
    def figures(peer: str, clients: int, audio: float) -> ThroughputFigures:
        return ThroughputFigures(peer, clients, audio, 0.1, 0.2, 0.3, 10, 0, 0.01, 5.0)

    found = throughput.ratios(
        [figures("ours", 1, 30), figures("ours", 8, 80), figures("x", 1, 20), figures("x", 8, 20)]
    )
    assert found == {1: {"x": 1.5}, 8: {"x": 4.0}}
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile([], 0.99) == 0


# By the name of the bench: small enough for a test, and words that it prints.
SMALL = {
    "restart": (["--rounds", "1"], "worker's own memory"),
    "supervisor": (["--seconds", "2"], "of one core"),
    "long-audio": (["--hours", "0.1"], "ratio"),
    "live": (["--microphones", "1", "--rounds", "1"], "microphones"),
    "engine": ([], "padded seconds"),
    "precision": ([str(SPEECH)], "int8"),
    "flood": (["--recordings", "30", "--length", "5"], "Retry-After"),
    "gpu": (["--device", "cpu", "--steps", "install", "load"], "skipped"),
    "hotwords": (["--clients", "2", "--seconds", "1", "--rounds", "1"], "one each"),
    "scaling": (
        ["--workers", "1", "2", "--clients", "2", "--seconds", "1", "--rounds", "1"], "ratio"
    ),
}  # fmt: skip


@pytest.mark.full
@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_documented_bench_runs(name: str) -> None:
    arguments, words = SMALL[name]
    assert words in bench(name, *arguments)


def test_every_documented_bench_is_tried() -> None:
    documented = {
        command.split()[2]
        for one in blocks("sh")
        for command in one.commands
        if command.startswith("seacod bench ")
    }
    # The other servers' run has a test of its own, above.
    assert documented == {"throughput", *SMALL}


@pytest.mark.full
def test_starts_are_compared_with_another_revision() -> None:
    found = json.loads(bench("restart", "--against", "HEAD", "--rounds", "1", "--json"))
    assert len(found["against"]) == 40
    assert len(found["seconds"]) == len(found["against_seconds"]) == 1
    assert found["ratio"] == found["seconds"][0] / found["against_seconds"][0]


@pytest.mark.parametrize("revision", ["nobody-knows-it", "--output=/tmp/x"])
def test_what_is_no_revision_is_one_sentence(revision: str) -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "seacod", "bench", "restart", f"--against={revision}"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert refused.returncode != 0
    (sentence,) = refused.stderr.splitlines()
    assert "--against" in sentence


def test_without_a_checkout_it_says_so(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "seacod", tmp_path / "seacod")
    refused = subprocess.run(
        [sys.executable, "-m", "seacod", "bench", "restart", "--against", "HEAD"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "GIT_CEILING_DIRECTORIES": str(tmp_path)},
    )  # fmt: skip
    (sentence,) = refused.stderr.splitlines()
    assert "not a git repository" in sentence
