"""Hotwords as people type them, cleaned and explained back."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from seacod.asr.recognisers.base import Spelling
from seacod.transcript import HotwordReport

_SEPARATORS = re.compile(r"[\s,，、;；|]+")
# Letters, digits and ideographs of any script, with an apostrophe or hyphen inside.
_WORD = re.compile(r"^\w+(?:['’\-]\w+)*$")
MAX_CHARACTERS = 20
# A text box is not a dictionary; more than this is cut before anything else looks at it.
_MAX_INPUT_CHARACTERS = 10_000


@dataclass(frozen=True, slots=True)
class Hotwords:
    """The words to use, and those that are not used with the reason."""

    words: tuple[str, ...] = ()
    ignored: tuple[HotwordReport, ...] = ()


def parse(given: str | Iterable[str] | None, max_words: int) -> Hotwords:
    """Clean what a user gave.

    Args:
        given: a text with words separated by blanks, commas or lines, or a list of such.
        max_words: how many are used.
    """
    text = given if isinstance(given, str) else "\n".join(given or ())
    words: list[str] = []
    ignored: list[HotwordReport] = []
    normal = unicodedata.normalize("NFKC", text[:_MAX_INPUT_CHARACTERS])
    for word in dict.fromkeys(filter(None, _SEPARATORS.split(normal))):
        reason = _objection(word)
        if reason is None and len(words) >= max_words:
            reason = f"only the first {max_words} hotwords count"
        if reason is None:
            words.append(word)
        elif len(ignored) < max_words:
            ignored.append(HotwordReport(word[:MAX_CHARACTERS], "ignored", reason))
    return Hotwords(tuple(words), tuple(ignored))


def _objection(word: str) -> str | None:
    """Why a word is not used; None when it is."""
    if not _WORD.match(word) or word.lower().startswith("http"):
        return "not a word (letters, digits and Chinese characters only)"
    if len(word) > MAX_CHARACTERS:
        return f"longer than {MAX_CHARACTERS} characters"
    return None


def report(
    hotwords: Hotwords, text: str, spell: Callable[[str], Spelling]
) -> tuple[HotwordReport, ...]:
    """What became of each word.

    Args:
        hotwords: the words of the request.
        text: the recognised text.
        spell: how the recogniser writes a word.
    """
    found = []
    lowered = text.lower().replace(" ", "")
    for word in hotwords.words:
        spelling = spell(word)
        if any(form in lowered for form in (word.lower(), *spelling.forms)):
            found.append(HotwordReport(word, "matched"))
        elif spelling.missing:
            found.append(
                HotwordReport(
                    word, "unknown_characters", f"the model cannot write: {spelling.missing}"
                )
            )
        else:
            found.append(HotwordReport(word, "not_heard"))
    return (*found, *hotwords.ignored)
