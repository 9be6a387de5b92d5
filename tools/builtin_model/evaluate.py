"""What the shipped directory can do, measured through the same `AutoModel` the service uses."""

from __future__ import annotations

import collections
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from builtin_model import heldout
from builtin_model.heldout import Item

_BATCH = 16
_LIST_LENGTH = 10


class Model:
    """The built-in model as FunASR runs it."""

    def __init__(self, directory: Path, threads: int = 2) -> None:
        from funasr import AutoModel

        self._model = AutoModel(
            model=str(directory), device="cpu", ncpu=threads, disable_update=True,
            disable_pbar=True, disable_log=True,
        )  # fmt: skip

    def texts(self, items: list[Item], hotwords: list[str] | None = None) -> list[str]:
        """The text of each item, in order."""
        order = sorted(range(len(items)), key=lambda i: len(items[i].samples))
        found = [""] * len(items)
        for start in range(0, len(order), _BATCH):
            part = order[start : start + _BATCH]
            results = self._model.generate(
                input=[np.ascontiguousarray(items[i].samples) for i in part],
                batch_size=len(part), cache={}, hotword=" ".join(hotwords) if hotwords else None,
            )  # fmt: skip
            if len(results) != len(part):  # FunASR leaves out what it finds nothing in
                results = [self._alone(items[i], hotwords) for i in part]
            for index, result in zip(part, results, strict=True):
                found[index] = result["text"].replace(" ", "")
        return found

    def _alone(self, item: Item, hotwords: list[str] | None) -> dict[str, Any]:
        results = self._model.generate(
            input=[item.samples], cache={}, hotword=" ".join(hotwords) if hotwords else None
        )
        return results[0] if results else {"text": ""}


def distance(wanted: str, found: str) -> int:
    """Insertions, deletions and replacements between two texts (Levenshtein)."""
    from rapidfuzz.distance import Levenshtein

    return int(Levenshtein.distance(wanted, found))


def error_rate(items: list[Item], found: list[str]) -> float:
    """Character errors over characters said."""
    errors = sum(distance(item.text, text) for item, text in zip(items, found, strict=True))
    return errors / sum(len(item.text) for item in items)


def examine(directory: Path) -> dict[str, Any]:
    """All figures of metrics.json that can be measured again.

    Hotwords: the share of held-out words written right without a list; with a list of the word
    and nine others; and what a list of ten words nobody says costs ordinary text.
    """
    model = Model(directory)
    plain = heldout.utterances()
    texts = model.texts(plain)
    by_voice: dict[str, list[int]] = collections.defaultdict(list)
    by_length: dict[str, list[int]] = collections.defaultdict(list)
    for index, item in enumerate(plain):
        by_voice[item.voice].append(index)
        size = "1-6" if len(item.text) <= 6 else "7-15" if len(item.text) <= 15 else "16 and more"
        by_length[size].append(index)

    def rate_of(indices: list[int]) -> float:
        return round(error_rate([plain[i] for i in indices], [texts[i] for i in indices]), 4)

    said = heldout.with_hotwords()
    without = model.texts(said)
    listed, listed_text = 0, []
    for number, item in enumerate(said):
        words = [item.word, *heldout.distractors(_LIST_LENGTH - 1, number, item.word)]
        (text,) = model.texts([item], sorted(words))
        listed_text.append(text)
        listed += item.word in text
    with_others = model.texts(plain, heldout.distractors(_LIST_LENGTH, 0))
    return {
        "character_error_rate": round(error_rate(plain, texts), 4),
        "utterances": len(plain),
        "utterances_entirely_right": sum(i.text == t for i, t in zip(plain, texts, strict=True)),
        "character_error_rate_by_voice": {k: rate_of(v) for k, v in sorted(by_voice.items())},
        "character_error_rate_by_characters": {k: rate_of(v) for k, v in sorted(by_length.items())},
        "hotword_recordings": len(said),
        "hotwords_right_without_list": round(
            sum(i.word in t for i, t in zip(said, without, strict=True)) / len(said), 4
        ),
        "hotwords_right_with_list": round(listed / len(said), 4),
        "character_error_rate_of_these_without_list": round(error_rate(said, without), 4),
        "character_error_rate_of_these_with_list": round(error_rate(said, listed_text), 4),
        "character_error_rate_with_a_list_of_words_nobody_says": round(
            error_rate(plain, with_others), 4
        ),
    }


def files(directory: Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of each file the model needs."""
    names = ("am.mvn", "config.yaml", "configuration.json", "model.pt", "seg_dict", "tokens.json")
    return {
        name: {
            "bytes": (directory / name).stat().st_size,
            "sha256": hashlib.sha256((directory / name).read_bytes()).hexdigest(),
        }
        for name in names
    }
