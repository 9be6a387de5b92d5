"""How much what was heard is what was said: for the checklist, the soak and benches."""

from __future__ import annotations

import difflib
import re


def bare(text: str) -> str:
    """A text without blanks and punctuation."""
    return re.sub(r"[\W_]", "", text)


def alike(heard: str, said: str) -> float:
    """How alike two texts are, 0 to 1: `difflib`'s ratio without blanks and punctuation."""
    return difflib.SequenceMatcher(None, bare(heard), bare(said), autojunk=False).ratio()


def differing(heard: str, said: str) -> int:
    """How many characters were changed, left out or put in, without blanks and punctuation."""
    parts = difflib.SequenceMatcher(None, bare(heard), bare(said), autojunk=False).get_opcodes()
    return sum(max(i2 - i1, j2 - j1) for tag, i1, i2, j1, j2 in parts if tag != "equal")
