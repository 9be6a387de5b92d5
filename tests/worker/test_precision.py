"""The model computes with what was chosen, or says why it cannot; nothing is chosen silently."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sounds

from seacod.asr import audio
from seacod.asr.audio import Samples
from seacod.asr.recognisers import precision, registry
from seacod.asr.recognisers.base import Recogniser
from seacod.config.schema import Settings
from seacod.errors import ConfigError
from seacod.models import registry as models
from seacod.proving.likeness import alike


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Recogniser]]:
    found = models.resolve(Settings().asr, tmp_path_factory.mktemp("models"))
    made: dict[str, Recogniser] = {}

    def load(wanted: str) -> Recogniser:
        if wanted not in made:
            made[wanted] = registry.load(found, 1)
            made[wanted].place("cpu", wanted)
        return made[wanted]

    yield load


@pytest.fixture(scope="module")
def speech() -> list[Samples]:
    return [
        audio.decode(sounds.EXAMPLES_DIRECTORY / one["file"], max_seconds=60)
        for one in sounds.EXAMPLES[:3]
    ]


@pytest.mark.parametrize("wanted", ["bfloat16", "int8"])
def test_fewer_bits_say_nearly_the_same_at_nearly_the_same_times(
    loaded: Callable[[str], Recogniser], speech: list[Samples], wanted: str
) -> None:
    full, fewer = loaded("auto"), loaded(wanted)
    assert (full.precision, fewer.precision) == ("float32", wanted)
    # Also the hotword branch, and its choice among more than fifty.
    lists = [["今天"], [chr(0x4E00 + n) * 2 for n in range(60)], []]
    same = 0
    for one, other in zip(
        full.recognise(speech, lists), fewer.recognise(speech, lists), strict=True
    ):
        assert alike(one.text, other.text) > 0.8
        if one.text == other.text:
            same += 1
            for token, its in zip(one.tokens, other.tokens, strict=True):
                assert its.start_seconds == pytest.approx(token.start_seconds, abs=0.2)
                assert 0.0 < (its.confidence or 0.0) <= 1.0
    assert same, "no times were compared"


def test_placing_again_changes_nothing(
    loaded: Callable[[str], Recogniser], speech: list[Samples]
) -> None:
    engine = loaded("bfloat16")
    before = [heard.text for heard in engine.recognise(speech)]
    engine.place("cpu", "bfloat16")
    assert [heard.text for heard in engine.recognise(speech)] == before


@pytest.mark.parametrize(
    ("device", "wanted", "meant"),
    [("cpu", "auto", "float32"), ("cuda:0", "auto", "float16"), ("cuda:1", "bfloat16", "bfloat16")],
)
def test_auto_is_the_full_precision_but_on_a_gpu(device: str, wanted: str, meant: str) -> None:
    assert precision.resolve(wanted, device) == meant


@pytest.mark.parametrize(("device", "wanted"), [("cpu", "float16"), ("cuda:0", "int8")])
def test_what_a_device_cannot_is_refused_with_what_it_can(device: str, wanted: str) -> None:
    with pytest.raises(ConfigError, match=rf"{wanted} cannot be used on {device}.*bfloat16"):
        precision.resolve(wanted, device)


def test_a_precision_nobody_knows_is_refused_by_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="precision"):
        Settings.model_validate({"asr": {"precision": "int4"}})
