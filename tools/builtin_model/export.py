"""Writes the directory that `funasr.AutoModel(model=DIRECTORY)` loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import yaml

from builtin_model.batches import Normalisation
from builtin_model.network import configuration
from builtin_model.vocabulary import BASE, HOMOPHONES, TOKENS

_FILES = {
    "framework": "pytorch",
    "task": "auto-speech-recognition",
    "model": {"type": "funasr"},
    "pipeline": {"type": "funasr-pipeline"},
    "model_name_in_hub": {"ms": "", "hf": ""},
    "file_path_metas": {
        "init_param": "model.pt",
        "config": "config.yaml",
        "tokenizer_conf": {"token_list": "tokens.json", "seg_dict_file": "seg_dict"},
        "frontend_conf": {"cmvn_file": "am.mvn"},
    },
}


def write(directory: Path, model: Any, norm: Normalisation) -> None:
    """All files of the model; weights as 16-bit floats. Each file is replaced whole."""
    directory.mkdir(parents=True, exist_ok=True)
    weights = {
        key: value.half() if value.dtype.is_floating_point else value
        for key, value in model.state_dict().items()
    }
    _put(directory / "model.pt", lambda path: torch.save(weights, path))
    settings = yaml.safe_dump(configuration(), sort_keys=False)
    _put(directory / "config.yaml", lambda path: path.write_text(settings))
    _put(
        directory / "configuration.json", lambda path: path.write_text(json.dumps(_FILES, indent=2))
    )
    tokens = json.dumps(TOKENS, ensure_ascii=False)
    _put(directory / "tokens.json", lambda path: path.write_text(tokens, "utf-8"))
    # FunASR splits hotwords by this file: without it a whole word would be one unknown token.
    words = "".join(f"{char} {char}\n" for char in [*BASE, *HOMOPHONES])
    _put(directory / "seg_dict", lambda path: path.write_text(words, "utf-8"))
    _put(directory / "am.mvn", lambda path: path.write_text(_kaldi(norm)))


def _put(path: Path, save: Any) -> None:
    partial = path.with_name(path.name + ".partial")
    save(partial)
    partial.rename(path)


def _kaldi(norm: Normalisation) -> str:
    """Shift and scale in Kaldi's text form."""
    size = len(norm.mean)
    shift = " ".join(f"{-value:.6g}" for value in norm.mean.tolist())
    scale = " ".join(f"{1 / value:.6g}" for value in norm.deviation.tolist())
    return (
        f"<Nnet>\n<Splice> {size} {size}\n[ 0 ]\n"
        f"<AddShift> {size} {size}\n<LearnRateCoef> 0 [ {shift} ]\n"
        f"<Rescale> {size} {size}\n<LearnRateCoef> 0 [ {scale} ]\n</Nnet>\n"
    )
