"""One more speaker encoder is one more file: a copy of the package gets one, and settings, commands
and a real service have it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sounds
from package_copy import copy_of_package, run_with, running
from supervised import PATIENCE_SECONDS, Service

ENCODER = '''
from seacod.speaker_encoders.base import EncoderDeclaration, Hub


class Loudness:
    """Tells people apart by how loud they are."""

    window_seconds, hop_seconds, likeness = 1.5, 0.75, 0.5

    def __init__(self, directory, device, library):
        self._turn = float((directory / "loudness.txt").read_text("utf-8"))

    def embed(self, windows):
        import numpy as np

        angles = [float(np.abs(one).mean()) * self._turn for one in windows]
        return np.array([(np.cos(one), np.sin(one)) for one in angles], np.float32)


ENCODER = EncoderDeclaration(
    "loudness", ("by how loud they are", "按音量"), 5, ("loudness.txt",),
    Hub("somebody/loudness"), Loudness,
)
'''


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = copy_of_package(tmp_path_factory.mktemp("copy"))
    (copy / "seacod/speaker_encoders/loudness.py").write_text(ENCODER, "utf-8")
    return copy


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = tmp_path_factory.mktemp("models")
    (models / "somebody/loudness").mkdir(parents=True)
    (models / "somebody/loudness/loudness.txt").write_text("3.0", "utf-8")
    return models


@pytest.fixture(scope="module")
def service(
    copy: Path, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    one = Service(tmp_path_factory.mktemp("grown"))
    one.configure(asr={"models_directory": str(models)})
    with running(one, copy):
        yield one


def test_a_service_tells_speakers_apart_by_it(service: Service) -> None:
    with httpx.Client(base_url=service.url, timeout=PATIENCE_SECONDS, trust_env=False) as client:
        answer = client.post(
            "/transcribe",
            files={"file": sounds.SPEECH.read_bytes()},
            data={"speakers": "1", "format": "verbose_json"},
        )
    assert answer.status_code == 200, answer.text
    assert [one["model"] for one in service.events("speaker_encoder_loaded")] == ["loudness"]


def test_the_setting_takes_its_name_and_describes_it(copy: Path, tmp_path: Path) -> None:
    file = tmp_path / "seacod.yaml"
    file.write_text("asr:\n  speaker_model: loudness\n")
    assert "speaker_model: loudness" in run_with(copy, "-m", "seacod", "config", "show", file)
    example = run_with(copy, "-m", "seacod", "config", "example")
    assert "loudness (by how loud they are)" in " ".join(example.replace("#", "").split())
    assert "loudness（按音量）" in "".join(example.replace("#", "").split())
    file.write_text("asr:\n  speaker_model: loudnes\n")
    told = run_with(copy, "-m", "seacod", "config", "check", file, check=False)
    assert "auto, loudness, campplus, resemblyzer or none" in told


def test_the_command_that_fetches_names_it_and_tries_it(
    copy: Path, models: Path, tmp_path: Path
) -> None:
    assert "loudness" in run_with(copy, "-m", "seacod", "model", "fetch", "--help")
    (models / "somebody/loudness/config.yaml").write_text("model: Loudness\n")
    (models / "somebody/loudness/model.pt").touch()
    file = tmp_path / "seacod.yaml"
    file.write_text(f"asr:\n  models_directory: {models}\n")
    told = run_with(copy, "-m", "seacod", "model", "fetch", "loudness", "--config", file)
    assert "speakers=true tells speakers apart from now on" in told
