"""The recordings that come with the model: warm-up, page examples, tests.

Spoken by held-out voices. A recording is kept only when the shipped model writes it exactly
right, which the service checks again at every start.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from builtin_model.corpus import RATE, Samples, at_16_khz
from builtin_model.evaluate import Model
from builtin_model.heldout import Item, plain_text
from builtin_model.speech import HELD_OUT_VOICES, Speaker

SENTENCES = ("今天天气很好", "明天早上八点开会", "他们在船上看海鸟", "请给我一百二十个")
NAMES = (("我跟", "欣悦", "去看海"), ("请问", "佳铭", "在家吗"), ("今天", "宏宇", "没有来"))
LONG = (
    "今天天气很好", "我们晚上去看海", "东西南北都有人", "火车到站了", "请给我一百二十个",
    "现在是九点二十分", "老牛走的很慢", "春天的花很红", "他没有来开会",
)  # fmt: skip


def write(directory: Path) -> list[dict[str, Any]]:
    """Make `examples/` beside the model; returns what examples.json says.

    Raises:
        RuntimeError: the model gets too few of them right.
    """
    model = Model(directory)
    speaker = Speaker()
    chosen: list[dict[str, Any]] = []
    target = directory / "examples"
    target.mkdir(exist_ok=True)
    for old in target.glob("*"):
        old.unlink()

    def keep(name: str, samples: Samples, **facts: Any) -> None:
        soundfile.write(target / f"{name}.flac", samples, RATE, subtype="PCM_16")
        seconds = round(len(samples) / RATE, 2)
        chosen.append({"file": f"{name}.flac", **facts, "seconds": seconds})

    for number, text in enumerate(SENTENCES, 1):
        samples = _say(speaker, model, text, [], text)
        if samples is not None:
            keep(f"sentence-{number}", samples, text=text, hotwords="")
    if len(chosen) < 3:
        raise RuntimeError("the model does not get its own examples right")
    for before, name, after in NAMES:
        text, heard = before + name + after, plain_text(before + name + after)
        samples = _say(speaker, model, text, [name], heard)
        if samples is not None:
            keep("hotword", samples, text=heard, hotwords=name, text_with_hotwords=text)
            break
    else:
        raise RuntimeError("no example shows what hotwords do")
    pieces, texts = [], []
    for text in LONG:
        samples = _say(speaker, model, text, [], text)
        if samples is not None:
            pieces += [samples, np.zeros(int(0.7 * RATE), np.float32)]
            texts.append(text)
    keep("long", np.concatenate(pieces), text=" ".join(texts), hotwords="")
    listing = json.dumps(chosen, ensure_ascii=False, indent=1)
    (target / "examples.json").write_text(listing + "\n", "utf-8")
    return chosen


def _say(
    speaker: Speaker, model: Model, text: str, hotwords: list[str], plain: str
) -> Samples | None:
    """The text by the first held-out voice the model understands without and with hotwords."""
    voices = list(HELD_OUT_VOICES)
    random.Random(text).shuffle(voices)
    for voice in voices:
        spoken = speaker.say(text, voice, words_per_minute=150)
        if spoken is None:
            continue
        pause = np.zeros(int(0.3 * RATE), np.float32)
        samples = np.concatenate([pause, at_16_khz(spoken), pause])
        samples = (0.6 * samples / np.abs(samples).max()).astype(np.float32)
        item = Item(text, voice, samples)
        if model.texts([item]) != [plain]:
            continue
        if hotwords and model.texts([item], hotwords) != [text]:
            continue
        return samples
    return None
