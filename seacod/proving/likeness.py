"""How much what was heard is what was said: for the checklist and the soak."""

from __future__ import annotations

import difflib
import re


def bare(text: str) -> str:
    """A text without blanks and punctuation."""
    return re.sub(r"[\W_]", "", text)


def alike(heard: str, said: str) -> float:
    """How alike two texts are, 0 to 1: `difflib`'s ratio without blanks and punctuation."""
    return difflib.SequenceMatcher(None, bare(heard), bare(said), autojunk=False).ratio()
