"""The first recording after loading: only when it is transcribed is the worker ready."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import structlog

from seacod.asr import audio, segments
from seacod.asr.engine import Engine
from seacod.errors import ModelUnavailable
from seacod.models.registry import BUILTIN, ModelSet

log = structlog.get_logger(__name__)

EXAMPLES = BUILTIN / "examples"


def examples() -> list[dict[str, str]]:
    """The shipped recordings: `file`, `text`, `hotwords`, `seconds` of each."""
    listing = EXAMPLES / "examples.json"
    loaded: list[dict[str, str]] = json.loads(listing.read_text("utf-8"))
    return loaded


def warm_up(engine: Engine, models: ModelSet, max_segment_seconds: float) -> None:
    """Transcribe a shipped recording.

    The built-in model must get it right. Of another model only an answer is asked: the voice is
    synthetic.

    Raises:
        ModelUnavailable: the built-in model writes something else.
    """
    example = examples()[0]
    samples = audio.decode(EXAMPLES / example["file"], max_seconds=60)
    speech = engine.find_speech(samples, max_segment_seconds)
    spans = segments.refine(speech, samples, max_segment_seconds) or [(0, len(samples))]
    heard = engine.recognise([np.array(samples[a:b]) for a, b in spans], None)
    text = "".join(piece.text for piece in heard)
    if Path(models.asr) == BUILTIN and text != example["text"]:
        raise ModelUnavailable(
            f"asr.model: the built-in model writes {text!r} instead of {example['text']!r}; its "
            "files are damaged, install seacod again",
            "内置模型文件已损坏，请重新安装 seacod",
        )
    log.info("model_warmed_up", text=text)
