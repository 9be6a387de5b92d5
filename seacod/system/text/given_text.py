"""Text from outside, made so that everything of ours can take it: files, logs, answers, databases,
terminals. Called where such text comes in."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

# As long as a file's name can be on Linux.
_NAME_CHARACTERS = 255
# Half a character (RFC 8259, section 8.2): JSON and UTF-7 can say it, no encoding can write it.
_HALVES = re.compile("[\ud800-\udfff]")
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")
# What turns the direction of the text around it (Unicode Standard Annex 9).
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# No language has more on one letter; Unicode Standard Annex 15 allows for thirty.
_MOST_MARKS = 30
_UNKNOWN = "\ufffd"


def whole(text: str) -> str:
    """The text with a replacement character for each half of one."""
    return _HALVES.sub(_UNKNOWN, text)


def name(text: str) -> str:
    """What somebody calls a file, a track or a person, on one line: blanks for line breaks, control
    characters and what turns the direction of writing; no longer than a file's name. Its end stays,
    which says the kind of a file."""
    kept = (" " if _breaks_a_line(one) else one for one in whole(text[-_NAME_CHARACTERS:]))
    return "".join(kept)


def one_line(text: str, most_characters: int) -> str:
    """What somebody said, as one line of printable characters, which a terminal shows as it is;
    blanks for all others."""
    printable = "".join(one if one.isprintable() else " " for one in text)
    return " ".join(printable.split())[:most_characters]


def _breaks_a_line(one: str) -> bool:
    return one in _DIRECTIONS or unicodedata.category(one) in ("Cc", "Zl", "Zp")


def read_json(text: str) -> Any:
    """What a JSON text says; a replacement character stands for each half of one.

    Raises:
        ValueError, RecursionError: it is none.
    """
    body = json.loads(text)
    if _ESCAPED_HALF.search(text):
        body = json.loads(whole(json.dumps(body, ensure_ascii=False)))
    return body


def normalised(text: str) -> str:
    """The text in Unicode's normal form KC.

    Marks beyond thirty on a letter are left out: they are sorted at a cost that grows with the
    square of their number, while no other thread runs.
    """
    return unicodedata.normalize("NFKC", text if text.isascii() else _bounded(text))


def _bounded(text: str) -> str:
    kept = []
    marks = 0
    for one in text:
        marks = marks + 1 if unicodedata.combining(one) else 0
        if marks <= _MOST_MARKS:
            kept.append(one)
    return "".join(kept)
