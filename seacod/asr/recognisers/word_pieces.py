"""What the model writes, put together as people read it: pieces of English words (`st@@ art`) as
words, letters one after the other as an abbreviation (`g p u` as GPU), each with its time and
confidence. `seaco_decoding.py` brings the pieces; nothing here knows of a model.

The text is that of FunASR's `sentence_postprocess` (1.4.16), which says nothing of confidence,
glues a word that was left unfinished to the next one, and shifts the times after an <unk>.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from seacod.transcript import Token, mean_confidence

_MORE = "@@"
_SILENT = frozenset({"<blank>", "<s>", "</s>", "<unk>", "<OOV>"})


@dataclass(frozen=True, slots=True)
class WordPiece:
    """One token of the model's as it decided for it; times in seconds from the piece's start,
    `number` in its vocabulary."""

    text: str
    start_seconds: float
    end_seconds: float
    posterior: float
    number: int | None = None


def words(pieces: Iterable[WordPiece]) -> tuple[Token, ...]:
    """The words that the pieces are of. A word begins with its first piece and ends with its last;
    its confidence is the mean of theirs."""
    found: list[Token] = []
    open_word: list[WordPiece] = []
    for piece in pieces:
        if piece.text in _SILENT:
            continue
        if open_word and not (_MORE in piece.text or _is_latin(piece.text)):
            found.append(_joined(open_word))
            open_word = []
        open_word.append(piece)
        if _MORE not in piece.text:
            found.append(_joined(open_word))
            open_word = []
    if open_word:
        found.append(_joined(open_word))
    return tuple(_abbreviated(found))


def _joined(pieces: Sequence[WordPiece]) -> Token:
    return Token(
        "".join(piece.text.replace(_MORE, "") for piece in pieces),
        pieces[0].start_seconds,
        pieces[-1].end_seconds,
        sum(piece.posterior for piece in pieces) / len(pieces),
        numbers=tuple(piece.number for piece in pieces if piece.number is not None),
    )


def _abbreviated(found: Sequence[Token]) -> Iterable[Token]:
    """Two letters or more that stand alone side by side are an abbreviation."""
    for is_letter, run in groupby(found, key=lambda token: _is_letter(token.text)):
        letters = list(run)
        if is_letter and len(letters) > 1:
            yield Token(
                "".join(letter.text for letter in letters).upper(),
                letters[0].start_seconds,
                letters[-1].end_seconds,
                mean_confidence(letters),
                numbers=tuple(number for letter in letters for number in letter.numbers),
            )
        else:
            yield from letters


def _is_letter(text: str) -> bool:
    return len(text) == 1 and text.isascii() and text.isalpha()


def _is_latin(text: str) -> bool:
    return all(c == "'" or (c.isalpha() and not "\u4e00" <= c <= "\u9fff") for c in text)
