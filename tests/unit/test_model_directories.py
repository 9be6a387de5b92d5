"""What a directory needs to be a model, whoever's: its class and weights of any kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from seacod.config.asr import AsrSettings
from seacod.errors import ModelUnavailable
from seacod.models import registry


@pytest.mark.parametrize("weights", ["model.pt", "model.safetensors", "encoder.onnx", "model.bin"])
def test_weights_of_any_kind_make_a_model(tmp_path: Path, weights: str) -> None:
    (tmp_path / "config.yaml").write_text("model: Another\n", "utf-8")
    (tmp_path / weights).write_bytes(b"")
    assert registry.is_complete(tmp_path)
    found = registry.resolve(AsrSettings(model=str(tmp_path)), tmp_path)
    assert found.asr == tmp_path


@pytest.mark.parametrize(
    ("files", "missing"),
    [((), "config.yaml, model.pt"), (("config.yaml", "tokens.json"), "model.pt"),
     (("model.pt",), "config.yaml")],
)  # fmt: skip
def test_what_is_missing_is_named(tmp_path: Path, files: tuple[str, ...], missing: str) -> None:
    for name in files:
        (tmp_path / name).write_bytes(b"")
    assert not registry.is_complete(tmp_path)
    with pytest.raises(ModelUnavailable, match=f"is not a model: {missing} is missing"):
        registry.resolve(AsrSettings(model=str(tmp_path)), tmp_path)
