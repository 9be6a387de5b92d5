"""The first recording: only when the model has transcribed it where it works is a worker ready."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import structlog

from seacod.asr import audio
from seacod.asr.audio import Samples
from seacod.asr.recognisers.base import Recogniser
from seacod.errors import ModelUnavailable
from seacod.models.examples import EXAMPLES, examples
from seacod.models.registry import BUILTIN, ModelSet

log = structlog.get_logger(__name__)


@cache
def first_recording() -> Samples:
    """The first shipped recording, decoded; not to be written to."""
    return audio.decode(EXAMPLES / examples()[0]["file"], max_seconds=60)


def first_seconds() -> float:
    """How long it is."""
    return len(first_recording()) / audio.SAMPLE_RATE


def warm_up(engine: Recogniser, models: ModelSet) -> None:
    """Transcribe a shipped recording.

    The built-in model must get it right. Another model only has to answer: the voice is
    synthetic.

    Raises:
        ModelUnavailable: the built-in model writes something else.
    """
    example = examples()[0]
    (heard,) = engine.recognise([first_recording()])
    text = heard.text
    if Path(models.asr) == BUILTIN and text != example["text"]:
        raise ModelUnavailable(
            f"asr.model: the built-in model writes {text!r} instead of {example['text']!r}; its "
            "files are damaged, install seacod again",
            "内置模型文件已损坏，请重新安装 seacod",
        )
    log.info("model_warmed_up", text=text)
