"""metrics.json and README.md beside the model: what it is, how good, how to measure again."""

from __future__ import annotations

import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from builtin_model import evaluate
from builtin_model.vocabulary import BASE, HOMOPHONES

_README = """\
# The built-in model

**For trying seacod, for its tests and for fault drills. Not for real speech**: it knows
{characters} characters and has only ever heard a speech synthesiser. For real recordings use
`asr.model: paraformer-zh`.

**仅供试用、测试与故障演练，不能用于真实录音**：它只认识 {characters} 个汉字，
训练数据全部来自语音合成。识别真实录音请使用 `asr.model: paraformer-zh`。

A SeacoParaformer (SANM encoder of six blocks, CIF predictor with time stamps, SANM decoder of two
blocks, hotword branch of six) with {parameters:,} parameters as 16-bit floats, loaded by the same
`funasr.AutoModel(model=DIRECTORY)` as the large one. Trained from seed {seed} by
`tools/train_builtin_model.py` on speech of espeak-ng {espeak}; {base} of its characters differ in
sound, {homophones} rarer ones sound like one of these and are written only as part of a hotword.

| measured on voices kept out of training | |
|---|---|
{rows}

Measure again with `python tools/evaluate_builtin_model.py`. `examples/` holds recordings by such
voices with their texts; a service that starts with this model transcribes the first one before it
says that it is ready.
"""

_LABELS = {
    "character_error_rate": "character error rate, {utterances} utterances",
    "character_error_rate_with_a_list_of_words_nobody_says": (
        "the same with a list of ten hotwords nobody says"
    ),
    "hotwords_right_without_list": "hotwords right without a list, {hotword_recordings} recordings",
    "hotwords_right_with_list": "hotwords right with a list of ten, one of them said",
    "character_error_rate_of_these_without_list": (
        "character error rate of these recordings, without a list"
    ),
    "character_error_rate_of_these_with_list": (
        "character error rate of these recordings, with the list"
    ),
}


def write(directory: Path, measured: dict[str, Any], training: dict[str, Any]) -> None:
    """Both files, from the figures of `evaluate.examine` and how the training was done."""
    facts = {
        "measured": measured,
        "training": {
            **training,
            "espeak_ng": _espeak(),
            "python": platform.python_version(),
            "torch": metadata.version("torch"),
            "funasr": metadata.version("funasr"),
        },
        "parameters": parameters(directory),
        "files": evaluate.files(directory),
    }
    text = json.dumps(facts, ensure_ascii=False, indent=1)
    (directory / "metrics.json").write_text(text + "\n", "utf-8")
    readme = _README.format(
        characters=len(BASE) + len(HOMOPHONES), base=len(BASE), homophones=len(HOMOPHONES),
        parameters=facts["parameters"], seed=training["seed"], espeak=_espeak(),
        rows=table(measured),
    )  # fmt: skip
    (directory / "README.md").write_text(readme, "utf-8")


def table(measured: dict[str, Any]) -> str:
    """The main figures as rows of a Markdown table."""
    return "\n".join(
        f"| {label.format(**measured)} | {measured[key]:.1%} |" for key, label in _LABELS.items()
    )


def parameters(directory: Path) -> int:
    """Weights in model.pt; buffers, which count nothing learned, are left out."""
    import torch

    weights = torch.load(directory / "model.pt", weights_only=True)
    return sum(
        value.numel()
        for name, value in weights.items()
        if value.dtype.is_floating_point and not name.endswith(("running_mean", "running_var"))
    )


def _espeak() -> str:
    from builtin_model.speech import version

    return version()
