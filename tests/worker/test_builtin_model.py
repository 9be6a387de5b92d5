"""The shipped model against what it promises, measured anew: recordings by voices that were kept
out of its training, spoken here and now by espeak-ng.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from supervised import ROOT

from seacod.models.registry import BUILTIN

sys.path.insert(0, str(ROOT / "tools"))

from builtin_model import evaluate, speech

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((BUILTIN / "metrics.json").read_text("utf-8"))
    return facts


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return evaluate.examine(BUILTIN)


def test_it_is_small() -> None:
    assert sum(p.stat().st_size for p in BUILTIN.rglob("*") if p.is_file()) <= 8 * MIB


def test_the_files_are_those_that_were_measured(recorded: dict[str, Any]) -> None:
    assert evaluate.files(BUILTIN) == recorded["files"]


def test_no_voice_of_the_examination_was_in_the_training() -> None:
    assert not set(speech.TRAINING_VOICES) & set(speech.HELD_OUT_VOICES)


@pytest.mark.full
def test_at_most_five_characters_in_a_hundred_are_wrong(measured: dict[str, Any]) -> None:
    assert measured["utterances"] == 200
    assert measured["character_error_rate"] <= 0.05


@pytest.mark.full
def test_hotwords_work(measured: dict[str, Any]) -> None:
    assert measured["hotword_recordings"] >= 100
    assert measured["hotwords_right_without_list"] <= 0.20
    assert measured["hotwords_right_with_list"] >= 0.75
    # And words that nobody says are not forced into the text.
    cost = measured["character_error_rate_with_a_list_of_words_nobody_says"]
    assert cost <= measured["character_error_rate"] + 0.02


@pytest.mark.full
def test_the_published_figures_are_true(measured: dict[str, Any], recorded: dict[str, Any]) -> None:
    rates = {name: rate for name, rate in recorded["measured"].items() if isinstance(rate, float)}
    assert len(rates) >= 6
    for name, rate in rates.items():
        # Processors round differently: a character here and there.
        assert measured[name] == pytest.approx(rate, abs=0.02), name


def test_the_readme_says_what_it_is_for() -> None:
    text = (BUILTIN / "README.md").read_text("utf-8")
    assert "Not for real speech" in text
    assert "不能用于真实录音" in text
