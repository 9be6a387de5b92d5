"""The bench of a first hour on a GPU: its steps keep to the time, cost only themselves, and what
was found is kept after each."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import pytest

from seacod.proving.bench import gpu
from seacod.proving.bench.gpu import STEPS
from seacod.proving.gpu_steps import Bench, Facts, Skipped, Step

BENCH = Bench("builtin", "auto", "cpu")


def step(run: object, seconds: float = 60.0) -> Step:
    return Step("load", ("Load", "加载"), seconds, run)  # type: ignore[arg-type]


def test_a_step_says_what_it_found() -> None:
    outcome = gpu.take(step(lambda bench: {"device": bench.device}), BENCH, 100.0)
    assert (outcome["state"], outcome["facts"]) == ("done", {"device": "cpu"})


def test_a_step_that_needs_a_gpu_says_so() -> None:
    for name in ("install", "out_of_memory", "watchdog"):
        (one,) = [each for each in STEPS if each.name == name]
        outcome = gpu.take(one, BENCH, 100.0)
        assert (outcome["state"], outcome["why"]) == (
            "skipped", "there is no GPU that PyTorch sees",
        )  # fmt: skip


def test_a_step_that_fails_costs_itself() -> None:
    def fail(bench: Bench) -> Facts:
        raise RuntimeError("it has no room")

    outcome = gpu.take(step(fail), BENCH, 100.0)
    assert (outcome["state"], outcome["why"]) == ("failed", "RuntimeError: it has no room")


@pytest.mark.parametrize(("own", "left"), [(0.05, 100.0), (60.0, 20.05)])
def test_no_step_takes_longer_than_it_may(own: float, left: float) -> None:
    ended = []

    def hang(bench: Bench) -> Facts:
        try:
            time.sleep(60.0 if own < 1 else 0.0)
            raise Skipped("the time was another's", "时间属于别人")
        finally:
            ended.append(True)

    outcome = gpu.take(step(hang, own), BENCH, left)
    assert outcome["state"] == ("failed" if own < 1 else "skipped")
    assert ended


def test_without_time_a_step_is_not_begun() -> None:
    outcome = gpu.take(step(lambda bench: pytest.fail("it was begun")), BENCH, 3.0)
    assert (outcome["state"], outcome["why"]) == ("skipped", "no time was left")


def test_what_was_found_is_kept_and_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    processes = [{"command": "worker", "private_bytes": 12, "gpu_bytes": None}]
    steps = (
        Step(
            "memory",
            ("Memory by process", "各进程内存"),
            60.0,
            lambda bench: {"processes": processes},
        ),
        Step(
            "kill",
            ("Kill and recovery", "终止与恢复"),
            60.0,
            lambda bench: {"seconds": [0.25, 0.5]},
        ),
        Step("fork", ("Forked children", "派生的子进程"), 60.0, lambda bench: 1 / 0),  # type: ignore[arg-type,return-value]
    )
    monkeypatch.setattr(gpu, "STEPS", steps)
    options = argparse.Namespace(
        model="builtin", punctuation="auto", device="cpu", minutes=25.0, steps=None,
        output=tmp_path, json=False,
    )  # fmt: skip
    assert gpu.run(options) == 1
    assert "failed" in capsys.readouterr().out
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["steps"]["memory"]["facts"]["processes"] == processes
    assert [one["state"] for one in found["steps"].values()] == ["done", "done", "failed"]
    page = (tmp_path / "gpu.md").read_text()
    assert "| worker | 12 | None |" in page
    assert "- seconds: 0.25, 0.5" in page
    assert "ZeroDivisionError" in page


def test_all_steps_fit_into_the_time() -> None:
    assert sum(one.seconds for one in STEPS) <= 27 * 60
    assert len({one.name for one in STEPS}) == len(STEPS)
