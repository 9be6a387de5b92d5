"""A sentence as it is written, word by word with times: what can be shown together, and when.

The text may differ from the tokens in punctuation, and in numbers that are written as figures. A
word here is a run of letters or figures, or one Chinese character, with the marks that belong to
it. Arithmetic on `Segment` only; called by `cues.py`, and where letters need times.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from seacod.formats.base import one_line
from seacod.transcript import Segment, Token

_OPENING = frozenset("“‘（《〈「『【〔([{¿¡")
# In a number, a word with a hyphen, an address: nowhere to cut.
_INNER = re.compile(r"(?<=[^\W_])[.,:'’_/@&-](?=[^\W_])")
# Comparing what was said with what is written takes a bit for each pair of letters (12 MB): a piece
# of speech has some hundreds.
_MOST_LETTERS_COMPARED = 10_000


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its marks; `is_after_blank` where a blank separates it from the one before."""

    text: str
    start_seconds: float
    end_seconds: float
    is_after_blank: bool = False


def is_wide(character: str) -> bool:
    """Whether it takes the room of a Chinese character."""
    return unicodedata.east_asian_width(character) in "WFA"


def words_of(segment: Segment) -> list[Word]:
    """The words of a sentence in order; their times never go back and lie within the sentence."""
    text = one_line(segment.text)
    times = letter_times(text, segment)
    words: list[Word] = []
    last, letter = segment.start_seconds, 0
    for piece, is_after_blank in _pieces(text):
        count = len(letters_of(piece))
        spans = times[letter : letter + count]
        letter += count
        start = max(last, spans[0][0]) if spans else last
        last = max(start, spans[-1][1]) if spans else start
        words.append(Word(piece, start, last, is_after_blank))
    return words


def _pieces(text: str) -> list[tuple[str, bool]]:
    """Words with their marks, and whether a blank stands before them."""
    inner = {
        index
        for index in (found.start() for found in _INNER.finditer(text))
        if not is_wide(text[index - 1]) and not is_wide(text[index + 1])
    }
    pieces: list[tuple[str, bool]] = []
    is_after_blank, is_open = False, True
    for index, character in enumerate(text):
        if character == " ":
            is_after_blank, is_open = True, False
            continue
        before = text[index - 1] if index else " "
        is_new = not pieces or _begins(before, character, index, inner)
        # A mark alone stays with the word before it, blank or not.
        if is_after_blank and pieces and not _has_letter_ahead(text, index):
            is_new = False
        if is_new and not (is_open and pieces):
            pieces.append((character, is_after_blank and bool(pieces)))
        else:
            so_far, has_blank = pieces[-1]
            blank = " " if is_after_blank else ""
            pieces[-1] = (so_far + blank + character, has_blank)
        is_after_blank, is_open = False, character in _OPENING
    return pieces


def _begins(before: str, character: str, index: int, inner: set[int]) -> bool:
    """Whether a word can begin with this character."""
    if before == " " or character in _OPENING:
        return True
    if not character.isalnum() or index - 1 in inner:
        return False
    if is_wide(character) or is_wide(before):
        return True
    return not (before.isalnum() or unicodedata.category(before)[0] == "M")


def _has_letter_ahead(text: str, index: int) -> bool:
    """Whether a letter follows before the next blank."""
    blank = text.find(" ", index)
    end = len(text) if blank < 0 else blank
    return any(text[at].isalnum() for at in range(index, end))


def letter_times(text: str, segment: Segment) -> list[tuple[float, float]]:
    """Start and end of each letter of a text, in seconds.

    Args:
        text: of the sentence, as it is written.
        segment: the sentence, whose tokens have times.
    """
    first, last = segment.start_seconds, max(segment.start_seconds, segment.end_seconds)
    letters = letters_of(text)
    said, times = _said(segment.tokens, first, last)
    if letters == said:
        return times
    if max(len(said), len(letters)) > _MOST_LETTERS_COMPARED:
        return _shared(len(letters), first, last)
    # Here, since it takes a moment: commands offer formats that they do not write.
    from rapidfuzz.distance import Indel

    found: list[tuple[float, float]] = []
    end_before, at = first, 0
    for block in Indel.opcodes(said, letters).as_matching_blocks():
        # Letters that were not said this way share the time between those that were.
        is_end = block.size == 0
        until = last if is_end and not times else times[-1][1] if is_end else times[block.a][0]
        found += _shared(block.b - at, end_before, max(end_before, until))
        found += times[block.a : block.a + block.size]
        at = block.b + block.size
        end_before = found[-1][1] if found else first
    return found


def _said(
    tokens: Sequence[Token], first: float, last: float
) -> tuple[str, list[tuple[float, float]]]:
    """The letters of the tokens, and the time of each."""
    letters, times = "", list[tuple[float, float]]()
    for token in tokens:
        own = letters_of(token.text)
        start = min(max(first, token.start_seconds), last)
        letters += own
        times += _shared(len(own), start, min(max(start, token.end_seconds), last))
    return letters, times


def _shared(count: int, start: float, end: float) -> list[tuple[float, float]]:
    step = (end - start) / count if count else 0.0
    return [(start + n * step, start + (n + 1) * step) for n in range(count)]


def letters_of(text: str) -> str:
    """What of a text is said: its letters and figures, in small letters."""
    # One for one: some letters become two in lower case.
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text if c.isalnum())
