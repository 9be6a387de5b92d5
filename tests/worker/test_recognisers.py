"""Another recogniser is one file of anybody's package; a model that none is for is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sounds
from supervised import PATIENCE_SECONDS, ROOT, Service

from seacod.asr.recognisers import registry as recognisers
from seacod.asr.recognisers.seaco_paraformer import SeacoParaformer
from seacod.config.asr import AsrSettings
from seacod.errors import EX_UNAVAILABLE, ModelUnavailable
from seacod.models import manifest, registry

PARROT = """
from seacod.asr.recognisers.base import Recognised, Recogniser
from seacod.transcript import Token

class Parrot(Recogniser):
    kind = "parrot"
    classes = frozenset({"Parrot"})
    language = "en"
    reads_hotwords = False
    vocabulary = None
    voice = None
    has_punctuation = True
    sentence_gap = ""
    hardware = "a perch"

    def __init__(self, models, cpu_threads):
        self.name, self.device, self.precision = models.name, "cpu", "float32"
        self.said = (models.asr / "weights.safetensors").read_text("utf-8")

    def place(self, device, precision="auto"):
        self.device = device

    def recognise(self, pieces, hotwords=None):
        token = Token(self.said, 0.1, 0.9, 0.5)
        return [Recognised(self.said, (token,)) for _ in pieces]

    def punctuate(self, text):
        return text + "。"

    def reserved_bytes(self):
        return 0

    def release_cache(self):
        pass
"""


def model(directory: Path, name: str) -> Path:
    """The directory of a model of this class."""
    directory.mkdir()
    (directory / "config.yaml").write_text(f"model: {name}\n", "utf-8")
    (directory / "weights.safetensors").write_text("你好", "utf-8")
    return directory


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of a process in whose Python the other package is installed."""
    site = tmp_path_factory.mktemp("site")
    (site / "parrots.py").write_text(PARROT, "utf-8")
    metadata = site / "parrots-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: parrots\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[seacod.recognisers]\nparrot = parrots:Parrot\n")
    return {"PYTHONPATH": f"{site}:{ROOT}"}


@pytest.fixture(scope="module")
def service(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    directory = tmp_path_factory.mktemp("parrot")
    one = Service(directory / "service")
    one.environment |= environment
    parrot = model(directory / "model", "Parrot")
    manifest.write(parrot, "parrot")
    one.configure(server={"page": "off"}, asr={"model": str(parrot), "device": "cpu"})
    with one.running():
        yield one


def seacod(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seacod", *arguments, "--json", "--config", str(service.config)],
        capture_output=True, text=True, check=False, env={**os.environ, **service.environment},
    )  # fmt: skip


def test_the_service_hears_with_it(service: Service) -> None:
    with httpx.Client(base_url=service.url, timeout=PATIENCE_SECONDS, trust_env=False) as client:
        answer = client.post("/transcribe", files={"file": sounds.SPEECH.read_bytes()})
        assert answer.json()["text"] == "你好。"
        assert answer.json()["confidence"] == 0.5
        assert client.get("/health").json()["recogniser"] == "parrot"


def test_what_it_cannot_do_is_told_in_every_output(service: Service) -> None:
    def answer(path: str, **fields: str) -> httpx.Response:
        with httpx.Client(base_url=service.url, timeout=PATIENCE_SECONDS, trust_env=False) as one:
            return one.post(path, data=fields, files={"file": sounds.SPEECH.read_bytes()})

    told = answer("/transcribe", hotwords="欣悦 宏宇", also="vtt,srt").json()
    assert told["hotwords"] == [
        {"word": word, "status": "ignored", "reason": "this model has no hotwords"}
        for word in ("欣悦", "宏宇")
    ]
    assert [one["code"] for one in told["warning_details"]] == ["hotwords_not_supported"]
    assert "this model has no hotwords" in told["also"]["vtt"]
    assert answer("/transcribe").json()["warning_details"] == []
    # Nor is it taken for one of Chinese.
    asked = answer("/v1/audio/transcriptions", language="zh", response_format="verbose_json")
    assert asked.json()["language"] == "english"
    assert "this model recognises English" in asked.text


def test_check_and_bench_name_it(service: Service) -> None:
    items: dict[str, Any] = {
        one["name"]: one for one in json.loads(seacod(service, "check", "model").stdout)["items"]
    }
    assert items["model"]["status"] == "ok"
    assert "(parrot)" in items["model"]["seen"]
    bench = seacod(service, "bench", "engine")
    assert bench.returncode == 0, bench.stderr
    assert json.loads(bench.stdout)["recogniser"] == "parrot"


def test_a_service_with_a_model_of_an_unknown_class_says_so_and_ends(tmp_path: Path) -> None:
    one = Service(tmp_path / "service")
    one.configure(asr={"model": str(model(tmp_path / "model", "SenseVoiceSmall"))})
    one.start(wait=False)
    assert one.wait_for_exit() == EX_UNAVAILABLE
    assert "is of the class SenseVoiceSmall" in one.log_text()
    told = json.loads(seacod(one, "check", "model").stdout)["items"][0]
    assert told["status"] == "fail"
    assert "SenseVoiceSmall" in told["seen"]
    assert "SenseVoiceSmall" in told["seen_zh"]


def test_ours_is_for_its_class_alone(tmp_path: Path) -> None:
    builtin = registry.resolve(AsrSettings(), registry.BUILTIN)
    assert recognisers.claiming(builtin) is SeacoParaformer
    other = AsrSettings(model=str(model(tmp_path / "other", "Paraformer")))
    with pytest.raises(ModelUnavailable, match="class Paraformer.*SeacoParaformer") as refused:
        recognisers.claiming(registry.resolve(other, tmp_path))
    assert "Paraformer" in refused.value.chinese


def test_a_configuration_without_a_class_is_one_sentence(tmp_path: Path) -> None:
    directory = model(tmp_path / "nothing", "x")
    for text in ("", "- a\n", "model_conf: {}\n", "a: [\n"):
        (directory / "config.yaml").write_text(text, "utf-8")
        with pytest.raises(ModelUnavailable, match="does not say of which class"):
            recognisers.class_of(directory)


def test_a_broken_package_takes_no_model_of_ours_along(
    environment: dict[str, str], tmp_path: Path
) -> None:
    broken = tmp_path / "parrots.py"
    broken.write_text("raise RuntimeError('molting')\n", "utf-8")
    code = (
        "from seacod.asr.recognisers import registry\n"
        "print([one.kind for one in registry.all_recognisers()])\n"
    )
    path = f"{tmp_path}:{environment['PYTHONPATH']}"
    answer = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert answer.stdout.splitlines()[-1] == "['seaco-paraformer']"
    assert "recogniser_not_loaded" in answer.stdout + answer.stderr
