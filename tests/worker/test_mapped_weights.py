"""A model's weights are pages of its file, and no model's directory runs code."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
import yaml

from seacod.asr import audio
from seacod.asr.recognisers.seaco_paraformer import SeacoParaformer
from seacod.config.model_names import SILERO
from seacod.config.schema import AsrSettings
from seacod.errors import ModelUnavailable
from seacod.models import registry
from seacod.models.examples import EXAMPLES, examples
from seacod.models.registry import BUILTIN, ModelSet


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A model's directory of our own, with weights in 32 bits, as published models have them."""
    made = Path(shutil.copytree(registry.resolve(AsrSettings(), BUILTIN).asr, tmp_path / "model"))
    weights = torch.load(made / "model.pt", weights_only=True)
    torch.save({name: t.float() for name, t in weights.items()}, made / "model.pt")
    return made


def load(directory: Path, punctuation: Path | None = None) -> SeacoParaformer:
    return SeacoParaformer(ModelSet("copy", directory, SILERO, punctuation), 1)


def heard(engine: SeacoParaformer) -> object:
    example = examples()[0]
    speech = audio.decode(EXAMPLES / example["file"], max_seconds=300)
    return engine.recognise([speech], example["hotwords"])


def is_mapped(engine: SeacoParaformer, file: Path) -> bool:
    """Whether every parameter lies in the mapped file."""
    spans = [
        tuple(int(edge, 16) for edge in line.split()[0].split("-"))
        for line in Path("/proc/self/maps").read_text().splitlines()
        if line.endswith(str(file))
    ]
    return all(
        any(begin <= weight.data_ptr() < end for begin, end in spans)
        for weight in engine._model.model.parameters()
    )


def test_weights_are_pages_of_their_file(copy: Path) -> None:
    assert is_mapped(load(copy), copy / "model.pt")


def test_weights_in_16_bits_say_the_same(copy: Path) -> None:
    assert heard(load(registry.resolve(AsrSettings(), BUILTIN).asr)) == heard(load(copy))


def test_copied_weights_say_the_same(copy: Path) -> None:
    mapped = heard(load(copy))
    weights = torch.load(copy / "model.pt", weights_only=True)
    # As PyTorch wrote files before 1.6: it cannot be mapped.
    torch.save(weights, copy / "model.pt", _use_new_zipfile_serialization=False)
    copied = load(copy)
    assert not is_mapped(copied, copy / "model.pt")
    assert heard(copied) == mapped


def test_weights_below_a_name_are_found(copy: Path) -> None:
    expected = heard(load(copy))
    weights = torch.load(copy / "model.pt", weights_only=True)
    named = {f"module.{name}": tensor for name, tensor in weights.items()}
    torch.save({"state_dict": named}, copy / "model.pt")
    engine = load(copy)
    assert is_mapped(engine, copy / "model.pt")
    assert heard(engine) == expected


def test_what_a_file_lacks_is_filled_in(copy: Path) -> None:
    weights = torch.load(copy / "model.pt", weights_only=True)
    lost = next(name for name, tensor in weights.items() if tensor.dim() == 2)
    weights.pop(lost)
    torch.save(weights, copy / "model.pt")
    filled = load(copy)._model.model.state_dict()[lost]
    assert filled.isfinite().all()
    assert filled.std() > 0


def test_modules_are_filled_in_again_after_a_load(copy: Path) -> None:
    load(copy)
    assert torch.nn.Linear(8, 8).weight.std() > 0


class Bomb:
    """A pickle that runs code when it is read."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("is_zip", [True, False])
def test_weights_that_run_code_are_refused(copy: Path, tmp_path: Path, is_zip: bool) -> None:
    torch.save(
        {"x": Bomb(tmp_path / "ran")}, copy / "model.pt", _use_new_zipfile_serialization=is_zip
    )
    with pytest.raises(ModelUnavailable, match="holds more than weights"):
        load(copy)
    assert not (tmp_path / "ran").exists()


def test_a_punctuation_model_that_runs_code_is_refused(copy: Path, tmp_path: Path) -> None:
    bad = Path(shutil.copytree(copy, tmp_path / "bad"))
    torch.save({"x": Bomb(tmp_path / "ran")}, bad / "model.pt")
    with pytest.raises(ModelUnavailable, match="holds more than weights"):
        load(copy, bad)
    assert not (tmp_path / "ran").exists()


def test_a_configuration_cannot_ask_for_code(copy: Path, tmp_path: Path) -> None:
    """FunASR would import `remote_code` and install requirements.txt for whoever is trusted."""
    code = copy / "model.py"
    code.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    (copy / "requirements.txt").write_text("nothing-of-this-name")
    file = copy / "config.yaml"
    said = yaml.safe_load(file.read_text()) | {
        "trust_remote_code": True, "remote_code": str(code),
    }  # fmt: skip
    file.write_text(yaml.safe_dump(said))
    heard(load(copy))
    assert not (tmp_path / "ran").exists()
