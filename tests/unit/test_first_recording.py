"""A model hears a first recording where it is loaded, and again only where it is put elsewhere: a
worker that is forked from there is ready without one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from seacod.asr.preparation import EnginePreparation
from seacod.asr.recognisers import registry
from seacod.config.schema import Settings
from seacod.errors import ModelUnavailable
from seacod.models.examples import examples
from seacod.paths import Paths


class Engine:
    """What was heard, and where; a GPU is `asr.device: cuda`."""

    name, hardware = "builtin", "a CPU"

    def __init__(self, text: str = examples()[0]["text"]) -> None:
        self.text = text
        self.device, self.precision = "cpu", "float32"
        self.heard: list[str] = []
        self.punctuated: list[str] = []

    def place(self, device: str, precision: str) -> None:
        if device == "cuda":
            self.device = "cuda:0"
        if precision == "int8":
            self.precision = "int8"

    def recognise(self, pieces: Sequence[Any], hotwords: Any = None) -> list[Any]:
        self.heard += [f"{self.device} {self.precision}"] * len(pieces)
        return [type("Heard", (), {"text": self.text})() for _ in pieces]

    def punctuate(self, text: str) -> str:
        self.punctuated.append(text)
        return text


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Engine and preparation, after loading with these settings of asr."""

    def load(engine: Engine, **asr: Any) -> EnginePreparation:
        monkeypatch.setattr(registry, "load", lambda models, threads: engine)
        settings = Settings.model_validate(
            {
                "asr": asr,
                "paths": {"state_directory": str(tmp_path), "runtime_directory": str(tmp_path)},
            }
        )
        preparation = EnginePreparation(
            settings, Paths.resolve(settings), lambda text, extend_seconds=0.0: None
        )
        assert preparation.load_engine() is cast(Any, engine)
        return preparation

    return load


@pytest.mark.parametrize(
    "asr, again",
    [
        ({"device": "cpu"}, []),
        ({"device": "cuda"}, ["cuda:0 float32"]),
        ({"device": "cpu", "precision": "int8"}, ["cpu int8"]),
    ],
)
def test_it_is_heard_again_only_where_it_works_otherwise(
    loaded: Any, asr: dict[str, str], again: list[str]
) -> None:
    engine = Engine()
    preparation = loaded(engine, tune="off", **asr)
    assert engine.heard == ["cpu float32"]
    assert len(engine.punctuated) == 1
    engine.heard.clear()
    preparation.place(engine)
    assert engine.heard == again


def test_what_one_call_takes_is_measured_once_for_all_workers(loaded: Any) -> None:
    engine = Engine()
    preparation = loaded(engine, device="cpu")
    assert preparation.call_seconds is not None
    engine.heard.clear()
    preparation.place(engine)
    assert engine.heard == []
    assert preparation.tuning is not None
    assert not preparation.tuning.is_measured


def test_on_a_gpu_it_is_the_time_of_a_call_there(loaded: Any) -> None:
    engine = Engine()
    preparation = loaded(engine, device="cuda")
    engine.heard.clear()
    preparation.place(engine)
    # A first recording, and a call that is measured.
    assert engine.heard == ["cuda:0 float32"] * 2


def test_damaged_files_are_noticed_before_anything_is_forked(loaded: Any) -> None:
    with pytest.raises(ModelUnavailable, match="damaged") as refused:
        loaded(Engine("今天"))
    assert json.dumps(examples()[0]["text"], ensure_ascii=False).strip('"') in str(refused.value)
