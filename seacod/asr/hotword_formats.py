"""Hotwords out of what people have: typed words, lines of `word weight` (FunASR's runtime), JSON,
whatever an editor or a spreadsheet made of them. `hotwords.py` decides which of them are used.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from seacod.system.text import given_text

# The longest text that is read.
MAX_CHARACTERS = 100_000
# FunASR's weights are 1 to 100, 20 as a rule; a bigger number behind a word may be one itself
# (报警 110), unless every line has one.
_USUAL_WEIGHT, _BIGGEST_WEIGHT = 100.0, 10_000.0
_NUMBER = re.compile(r"[+-]?\d{1,9}(?:\.\d{1,9})?")
_WEIGHTED = re.compile(r"(.+?)\s*[:=^]\s*([+-]?\d{1,9}(?:\.\d{1,9})?)")
_SEPARATORS = re.compile(
    r"[\s,、;|。!?…“”《》〈〉「」『』【】]+|(?<=[\u4e00-\u9fff])/(?=[\u4e00-\u9fff])"
)
_COMMENT = re.compile(r"(?:^|(?<=\s))(?:#|//).*")
_HEADER = re.compile(
    r"(?:热词|词语?|hotwords?|words?)[\s,;|]*(?:权重|weights?|score)?", re.IGNORECASE
)
# "1. 欣悦", "- 欣悦"
_BULLET = re.compile(r"^\s*(?:[-*•·]\s+|\(?\d{1,3}(?:[.)]\s*(?=\D)|、\s*))")
_AROUND = "。.,!?:;…\"„'‘’`[]{}~*"
_NOTE = re.compile(r"(?<=\w)\s*\([^()]*\)$|^\([^()]*\)\s*(?=\w)")
_PHRASE = re.compile(r"[A-Za-z][A-Za-z'’\-]*(?: [A-Za-z][A-Za-z'’\-]*)+")
# Where a JSON file has its words, and what such an entry calls its word.
_LIST_KEYS = ("hotwords", "hotword", "words", "list", "data", "热词")
_WORD_KEYS = ("word", "hotword", "text", "name", "value", "phrase", "热词")
_WEIGHT_KEYS = ("weight", "score", "boost", "权重")
_MOST_NESTED = 6
_QUOTES = re.compile("['“”‘’]")
_LAST_COMMA = re.compile(r",\s*([}\]])")
# What stands for bytes that are of no character.
_UNREADABLE = "\ufffd"


@dataclass(frozen=True, slots=True)
class HotwordEntry:
    """A word as it was found, and its weight where it has one."""

    word: str
    weight: float | None = None


def decoded(content: bytes) -> str:
    """The text of a file: UTF-8, UTF-16 with its mark, or what Chinese Windows writes (GBK)."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030", "replace")


def unreadable(text: str) -> tuple[int, int]:
    """How many characters are of no script, as in a file that is no text, and of how many."""
    read = text[:MAX_CHARACTERS]
    kinds = map(unicodedata.category, read)
    strange = sum(kind in ("Cc", "Cn", "Co", "Cs") for kind in kinds)
    return strange + read.count(_UNREADABLE) - sum(map(read.count, "\t\n\r\v\f")), len(read)


def entries(text: str) -> list[HotwordEntry]:
    """Every word in a text, in its order.

    Args:
        text: at most `MAX_CHARACTERS` of it are read.
    """
    clean = "\n".join(_plain(line) for line in text[:MAX_CHARACTERS].splitlines()).strip()
    if clean[:1] in ("{", "["):
        # As it should be, an object a line, and as people write it.
        loose = _LAST_COMMA.sub(r"\1", _QUOTES.sub('"', clean))
        for whole in (clean, f"[{','.join(clean.splitlines())}]", loose):
            try:
                found = list(_of_json(json.loads(whole, object_pairs_hook=_Pairs), 0))
            except (ValueError, RecursionError):
                continue
            return [replace(one, word=given_text.whole(one.word)) for one in found]
    return list(_of_lines(clean))


def _plain(line: str) -> str:
    """One form of each character; blanks for what is neither letter nor mark, nothing for what
    cannot be seen."""
    if line.isalnum():
        return given_text.normalised(line)
    kinds = ((c, unicodedata.category(c)) for c in given_text.normalised(line))
    return "".join(
        " " if kind in ("Cc", "So") and c != _UNREADABLE else c for c, kind in kinds if kind != "Cf"
    )


class _Pairs(list[tuple[str, Any]]):
    """A JSON object, with every key in its order."""


def _of_json(value: Any, depth: int) -> Iterator[HotwordEntry]:
    if depth > _MOST_NESTED:
        return
    if isinstance(value, _Pairs):
        yield from _of_object(value, depth)
    elif isinstance(value, list):
        if len(value) == 2 and isinstance(value[0], str) and _weight(value[1]) is not None:
            yield from _of_item(value[0], _weight(value[1]))
        else:
            for one in value:
                yield from _of_json(one, depth + 1)
    elif isinstance(value, str):
        yield from _of_item(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield HotwordEntry(str(value))


def _of_object(pairs: _Pairs, depth: int) -> Iterator[HotwordEntry]:
    known = {key.lower(): value for key, value in pairs}
    word = next((w for key in _WORD_KEYS if isinstance(w := known.get(key), str)), None)
    weight = next((known[key] for key in _WEIGHT_KEYS if key in known), None)
    if word is not None and _weight(word) is None:
        yield from _of_item(word, _weight(weight))
        return
    for key in _LIST_KEYS:
        if isinstance(known.get(key), list | str) and _weight(known[key]) is None:
            yield from _of_json(known[key], depth + 1)
            return
    for key, one in pairs:
        if isinstance(one, list):
            yield from _of_json(one, depth + 1)
        else:
            yield from _of_item(key, _weight(one))


def _of_item(text: str, weight: float | None = None) -> Iterator[HotwordEntry]:
    """One string of a JSON file: a word, an English phrase, or as much as a line may have."""
    text = text.strip()
    if weight is not None or _PHRASE.fullmatch(text):
        yield HotwordEntry(_bare(text), weight)
    else:
        yield from _of_lines(text)


def _weight(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if abs(value) <= _BIGGEST_WEIGHT else None
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value)
    return None


def _of_lines(text: str) -> Iterator[HotwordEntry]:
    lines = []
    for line in text.splitlines():
        bare = line if line.isalnum() else _BULLET.sub("", _COMMENT.sub("", line), count=1).strip()
        if bare:
            lines.append(bare)
    if len(lines) > 1 and _HEADER.fullmatch(lines[0]):
        del lines[0]
    are_all_weighted = len(lines) > 1 and all(_ends_in_number(line) for line in lines)
    for line in lines:
        # On a line of its own it is one word, as in FunASR's files.
        if len(lines) > 1 and _PHRASE.fullmatch(line):
            yield HotwordEntry(line)
            continue
        yield from _of_line(line, _BIGGEST_WEIGHT if are_all_weighted else _USUAL_WEIGHT)


def _ends_in_number(line: str) -> bool:
    words = [*filter(None, _SEPARATORS.split(line))]
    if len(words) == 1:
        return bool(_WEIGHTED.fullmatch(words[0]))
    return bool(words and _NUMBER.fullmatch(words[-1]) and not _NUMBER.fullmatch(words[-2]))


def _of_line(line: str, biggest: float) -> Iterator[HotwordEntry]:
    phrase, _, last = line.rpartition(" ")
    if _PHRASE.fullmatch(phrase.strip()) and _NUMBER.fullmatch(last):
        yield HotwordEntry(phrase.strip(), float(last))
        return
    waiting: str | None = None
    for part in map(_bare, filter(None, _SEPARATORS.split(line))):
        is_number = _NUMBER.fullmatch(part) is not None
        if waiting is not None:
            is_weight = is_number and abs(float(part)) <= biggest
            yield HotwordEntry(waiting, float(part) if is_weight else None)
            waiting = None
            if is_weight:
                continue
        if is_number:
            yield HotwordEntry(part)
        elif joined := _WEIGHTED.fullmatch(part):
            yield HotwordEntry(_bare(joined[1]), float(joined[2]))
        else:
            waiting = part
    if waiting is not None:
        yield HotwordEntry(waiting)


def _bare(word: str) -> str:
    """Without quotes, full stops and a note in brackets; as it is where nothing else is there."""
    word = word.strip()
    if word.isalnum():
        return word
    if word.startswith("(") and word.endswith(")"):
        word = word[1:-1]
    bare = _NOTE.sub("", word.strip(_AROUND).strip()).strip(_AROUND)
    return bare or word
