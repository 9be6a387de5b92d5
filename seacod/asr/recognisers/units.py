"""How a hotword is written in the units of the model: characters, English words and pieces of them
(`ku@@ ber@@ ne@@ tes`), single letters.

FunASR makes <unk> of every word that is not in `seg_dict` as it stands, such as GPU驱动, 5G and
names with a middle dot (1.4.16, `generate_hotwords_list`). Nothing here knows of PyTorch.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Units = tuple[str, ...]
# English words, figures, and everything else alone.
_RUNS = re.compile(r"[a-z]+(?:'[a-z]+)*|[0-9]+|.", re.DOTALL)
# Nobody says them.
_UNSAID = frozenset(" '’·•‧・-‐\u2010\u2011\u2013_")
_NUMERALS = "零一二三四五六七八九"
_PLACES = ("", "十", "百", "千")
_MORE = "@@"
# Longer ones are said digit by digit; so are shorter ones that are no amounts.
_LONGEST_AMOUNT = 4
_SHORT = 3
# A word that can be said in more ways than this has those that come first.
_MOST_SPELLINGS = 4


@dataclass(frozen=True, slots=True)
class Spelled:
    """The ways in which the model may write a word; `missing` is what it has no unit for, and then
    there is none."""

    ways: tuple[Units, ...]
    missing: str = ""

    @property
    def forms(self) -> tuple[str, ...]:
        """As they stand in a text, in small letters and without blanks."""
        return tuple("".join(way).replace(_MORE, "") for way in self.ways)


class Speller:
    """The units of one model.

    Args:
        tokens: what it can write.
        segments: how words are made of them (`seg_dict`).
    """

    def __init__(self, tokens: Sequence[str], segments: Mapping[str, Units]) -> None:
        self._tokens = frozenset(tokens)
        self._segments = segments
        self._longest = max((len(token) for token in tokens if token.isascii()), default=1)

    def spell(self, word: str) -> Spelled:
        """The units of a word, as it was typed."""
        small = word.lower()
        whole = self._known(small)
        parts: list[tuple[Units, ...]] = []
        missing: list[str] = []
        for run in _RUNS.finditer(small):
            if run.group() in _UNSAID:
                continue
            typed = word[run.start() : run.end()]
            if ways := tuple(dict.fromkeys(self._ways(run.group(), typed))):
                parts.append(ways)
            else:
                missing.append(run.group())
        spelled = [whole] if whole else []
        if not missing:
            combined = itertools.islice(itertools.product(*parts), _MOST_SPELLINGS)
            spelled += [way for one in combined if (way := _chain(one))]
        if spelled:
            return Spelled(tuple(dict.fromkeys(spelled)))
        return Spelled((), "".join(dict.fromkeys("".join(missing) or word)))

    def _ways(self, run: str, typed: str) -> Iterator[Units]:
        if run.isascii() and run.isdecimal():
            yield from self._figures(run)
        elif run[0].isascii() and run[0].isalpha():
            yield from self._english(run, typed)
        elif known := self._known(run):
            yield known

    def _english(self, run: str, typed: str) -> Iterator[Units]:
        """As a word, and letter by letter where it is typed in capitals or no word."""
        word = self._known(run) or self._all(self._known(part) for part in run.split("'"))
        if word is None and not _is_spelled_out(typed):
            word = self._all(self._pieces(part) for part in run.split("'"))
        if word is not None:
            yield word
        if word is None or typed.isupper():
            letters = self._all(self._known(letter) for letter in run if letter != "'")
            if letters is not None:
                yield letters

    def _pieces(self, run: str) -> Units | None:
        """The longest pieces the model has, from the left; None where there are none."""
        found: list[str] = []
        at = 0
        while at < len(run):
            for end in range(min(len(run), at + self._longest), at, -1):
                piece = run[at:end] + ("" if end == len(run) else _MORE)
                if piece in self._tokens:
                    found.append(piece)
                    at = end
                    break
            else:
                return None
        return tuple(found)

    def _figures(self, run: str) -> Iterator[Units]:
        """As figures where the model has them, otherwise as they are said: an amount or digit by
        digit."""
        for said in (run, _amount(run), "".join(_NUMERALS[int(digit)] for digit in run)):
            units = self._all(self._known(character) for character in said)
            if units:
                yield units
                if said == run:
                    return

    @staticmethod
    def _all(parts: Iterable[Units | None]) -> Units | None:
        """The units of all parts one after the other; None where one has none."""
        found: list[str] = []
        for part in parts:
            if part is None:
                return None
            found += part
        return tuple(found)

    def _known(self, word: str) -> Units | None:
        units = self._segments.get(word) or ((word,) if word in self._tokens else None)
        return units if units and all(unit in self._tokens for unit in units) else None


def read_segments(file: Path) -> dict[str, Units]:
    """A model's `seg_dict`: a word a line, and what it is made of. Empty without such a file."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    rows = (line.split() for line in lines)
    return {row[0]: tuple(row[1:]) for row in rows if len(row) > 1}


def _chain(parts: Iterable[Units]) -> Units:
    return tuple(itertools.chain.from_iterable(parts))


def _is_spelled_out(typed: str) -> bool:
    """Whether people say its letters, as far as one can see, where no list has it as a word."""
    return typed.isupper() or len(typed) <= _SHORT or not set(typed.lower()) & set("aeiouy")


def _amount(run: str) -> str:
    """A number as it is read in Chinese (12 is 十二); empty for what is no amount."""
    if len(run) > _LONGEST_AMOUNT or run[0] == "0":
        return ""
    said = ""
    for place, digit in zip(range(len(run) - 1, -1, -1), run, strict=True):
        if digit != "0":
            said += _NUMERALS[int(digit)] + _PLACES[place]
        elif not said.endswith("零"):
            said += "零"
    said = said.rstrip("零")
    return said[1:] if said.startswith("一十") else said
