"""One more recogniser of FunASR's is one more file: a copy of the package gets one for another of
its classes, and a real service hears with it, and imports no more of FunASR than it names."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sounds
import yaml
from package_copy import copy_of_package, run_with, running
from supervised import PATIENCE_SECONDS, Service

from seacod.models import manifest
from seacod.models.registry import BUILTIN

# The built-in model's weights, read as a model without hotwords: a SeacoParaformer is one of these.
RECOGNISER = """
from seacod.asr.recognisers import funasr_library
from seacod.asr.recognisers.base import Recognised, Recogniser
from seacod.asr.recognisers.quiet import quiet
from seacod.transcript import Token

FUNASR = funasr_library.FunasrClasses({
    "BiCifParaformer": "funasr.models.bicif_paraformer.model",
    "SANMEncoder": "funasr.models.sanm.encoder",
    "ParaformerSANMDecoder": "funasr.models.paraformer.decoder",
    "CifPredictorV3": "funasr.models.bicif_paraformer.cif_predictor",
    "SpecAug": "funasr.models.specaug.specaug",
    "SpecAugLFR": "funasr.models.specaug.specaug",
    "WavFrontend": "funasr.frontends.wav_frontend",
    "CharTokenizer": "funasr.tokenizer.char_tokenizer",
})


class BicifParaformer(Recogniser):
    kind = "bicif-paraformer"
    classes = frozenset({"BiCifParaformer"})
    language = "zh"
    reads_hotwords = False
    vocabulary = voice = None
    has_punctuation = False
    sentence_gap = " "
    hardware = "CPU"
    device, precision = "cpu", "float32"

    def __init__(self, models, cpu_threads):
        self.name = models.name
        with quiet():
            AutoModel = funasr_library.auto_model([models.asr], FUNASR)
            self._model = AutoModel(
                model=str(models.asr), device="cpu", ncpu=1, disable_update=True,
                disable_pbar=True, disable_log=True, trust_remote_code=False,
            )

    def place(self, device, precision="auto"):
        pass

    def recognise(self, pieces, hotwords=None):
        return [self._recognised(piece) for piece in pieces]

    def _recognised(self, piece):
        with quiet():
            (heard,) = self._model.generate(input=[piece.copy()])
        tokens = tuple(
            Token(word, began / 1000, ended / 1000, 0.5)
            for word, (began, ended) in zip(heard["text"].split(), heard["timestamp"])
        )
        return Recognised("".join(one.text for one in tokens), tokens)

    def punctuate(self, text):
        return text

    def reserved_bytes(self):
        return 0

    def release_cache(self):
        pass


RECOGNISER = BicifParaformer
"""
# What Seaco-Paraformer has besides.
_SEACO = re.compile("bias|seaco|NO_BIAS|inner_dim|train_decoder")
UNNEEDED = ("sklearn", "transformers", "numba", "hydra", "gradio")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = copy_of_package(tmp_path_factory.mktemp("copy"))
    (copy / "seacod/asr/recognisers/bicif_paraformer.py").write_text(RECOGNISER, "utf-8")
    return copy


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model")
    for name in ("am.mvn", "model.pt", "tokens.json", "seg_dict", "configuration.json"):
        shutil.copy(BUILTIN / name, directory)
    known = yaml.safe_load((BUILTIN / "config.yaml").read_text("utf-8"))
    known["model"] = "BiCifParaformer"
    known["model_conf"] = {
        key: value
        for key, value in known["model_conf"].items()
        if key == "predictor_bias" or not _SEACO.search(key)
    }
    kept = {key: value for key, value in known.items() if not key.startswith("seaco")}
    (directory / "config.yaml").write_text(yaml.safe_dump(kept), "utf-8")
    manifest.write(directory, "bicif")
    return directory


@pytest.fixture(scope="module")
def service(copy: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    one = Service(tmp_path_factory.mktemp("grown"))
    one.configure(asr={"model": str(model), "device": "cpu"})
    with running(one, copy):
        yield one


def test_the_service_hears_with_it(service: Service) -> None:
    with httpx.Client(base_url=service.url, timeout=PATIENCE_SECONDS, trust_env=False) as client:
        answer = client.post(
            "/transcribe", files={"file": sounds.SPEECH.read_bytes()}, data={"hotwords": "欣悦"}
        ).json()
        assert client.get("/health").json()["recogniser"] == "bicif-paraformer"
    assert answer["text"] == sounds.SPEECH_TEXT
    assert [one["code"] for one in answer["warning_details"]] == ["hotwords_not_supported"]
    assert "funasr_imported_whole" not in service.log_text()


def test_only_what_it_names_is_imported(copy: Path, model: Path) -> None:
    told = run_with(
        copy,
        "-c",
        f"""
import json, sys
from pathlib import Path
from seacod.asr.recognisers import registry
from seacod.config.asr import AsrSettings
from seacod.models.registry import resolve
registry.load(resolve(AsrSettings(model={str(model)!r}), Path()), 1)
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
print(json.dumps(sorted(sys.modules)))
""",
    )
    packages, modules = map(json.loads, told.splitlines()[-2:])
    assert "funasr.models.bicif_paraformer.model" in modules
    assert "funasr.models.seaco_paraformer.model" not in modules
    assert not set(UNNEEDED) & set(packages)


def test_checks_name_it_and_know_what_it_cannot_do(service: Service, copy: Path) -> None:
    told = run_with(
        copy, "-m", "seacod", "check", "model", "recognition", "hotwords", "--json", "--config",
        service.config, check=False,
    )  # fmt: skip
    items = {one["name"]: one for one in json.loads(told)["items"]}
    assert "(bicif-paraformer)" in items["model"]["seen"]
    assert {name: one["status"] for name, one in items.items()} == dict.fromkeys(items, "ok")
    assert items["hotwords"]["seen"] == "the model has no hotwords"
