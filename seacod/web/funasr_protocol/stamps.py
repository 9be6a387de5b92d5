"""When each character was said, as FunASR's protocol tells it: `timestamp` and `stamp_sents`.

A *sign* is what has a time of its own there: a Chinese character, a figure, a run of other letters.
It is of the text as it is written: clients count along it. Pure; called by `answers.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from seacod.formats.base import one_line
from seacod.formats.words import is_wide, letter_times
from seacod.transcript import Segment

# A sentence of `stamp_sents` ends with one of these.
_MARKS = frozenset("，。？！、；：,?!;:…")
# What may stand within a word.
_INNER = frozenset("&'-’")


@dataclass(frozen=True, slots=True)
class Sign:
    """One character or word, from when to when it is said in milliseconds; `mark` is what ends the
    clause after it."""

    text: str
    start_ms: int
    end_ms: int
    mark: str = ""


def timestamp(segments: Iterable[Segment]) -> str:
    """Every sign's start and end in milliseconds, as the text of a list; empty without any."""
    spans = [[sign.start_ms, sign.end_ms] for one in segments for sign in signs_of(one)]
    return json.dumps(spans, separators=(",", ":")) if spans else ""


def stamp_sents(segments: Iterable[Segment]) -> list[dict[str, Any]]:
    """The clauses, each with its signs, the mark behind it, and its times in milliseconds."""
    return [_sentence(clause) for segment in segments for clause in _clauses(signs_of(segment))]


def signs_of(segment: Segment) -> list[Sign]:
    """The signs of a sentence, in its order."""
    text = one_line(segment.text)
    times = letter_times(text, segment)
    signs: list[Sign] = []
    # Of the word that is going on: how it is written, and the times of its letters.
    word, spans = "", list[tuple[float, float]]()
    letter = 0

    def end_word() -> None:
        nonlocal word, spans
        if spans:
            signs.append(Sign(word, _ms(spans[0][0]), _ms(spans[-1][1])))
        word, spans = "", []

    for character in text:
        is_letter = character.isalnum()
        span = times[letter : letter + 1] if is_letter else []
        letter += is_letter
        if is_letter and (is_wide(character) or character.isdigit()):
            end_word()
            word, spans = character, span
            end_word()
        elif is_letter or (word and character in _INNER):
            word, spans = word + character, spans + span
        else:
            end_word()
            if character in _MARKS and signs and not signs[-1].mark:
                last = signs.pop()
                signs.append(Sign(last.text, last.start_ms, last.end_ms, character))
    end_word()
    return signs


def _clauses(signs: Sequence[Sign]) -> Iterator[list[Sign]]:
    clause: list[Sign] = []
    for sign in signs:
        clause.append(sign)
        if sign.mark:
            yield clause
            clause = []
    if clause:
        yield clause


def _sentence(signs: Sequence[Sign]) -> dict[str, Any]:
    return {
        "text_seg": " ".join(sign.text for sign in signs),
        "punc": signs[-1].mark,
        "start": signs[0].start_ms,
        "end": signs[-1].end_ms,
        "ts_list": [[sign.start_ms, sign.end_ms] for sign in signs],
    }


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
