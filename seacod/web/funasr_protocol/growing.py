"""A first text that is only ever added to: FunASR's clients put what they get behind what they
have, while the model writes all of what is being said anew each time.

So a character is told once two texts in a row agree on it. Pure; called by `connection.py`.
"""

from __future__ import annotations

import os


class GrowingText:
    """What was told of the piece of speech that goes on."""

    def __init__(self) -> None:
        self._told = ""
        self._last = ""
        # The last character of the piece before.
        self._before = ""

    @property
    def has_told(self) -> bool:
        """Whether something of this piece was told."""
        return bool(self._told)

    def heard(self, text: str) -> str:
        """What can be told now.

        Args:
            text: all of what is being said, as the model writes it now.
        """
        agreed = _whole_words(os.path.commonprefix([self._last, text]), text)
        self._last = text
        fresh = agreed[_place_of(self._told, agreed) :]
        return self._tell(fresh)

    def finished(self, text: str) -> str:
        """The rest of the piece.

        Args:
            text: all of it.
        """
        rest = self._tell(text[_place_of(self._told, text) :])
        self._before = self._told[-1:] or self._before
        self._told = self._last = ""
        return rest

    def _tell(self, fresh: str) -> str:
        needs_blank = not self._told and _is_latin(self._before) and _is_latin(fresh[:1])
        self._told += fresh
        return f" {fresh}" if needs_blank else fresh


def _whole_words(agreed: str, text: str) -> str:
    """Without a word at its end that may not be whole."""
    end = len(agreed)
    if _is_latin(text[end : end + 1]) or end == len(text):
        while end and _is_latin(agreed[end - 1]):
            end -= 1
    return agreed[:end].rstrip()


def _is_latin(character: str) -> bool:
    return bool(character) and (character == "'" or (character.isascii() and character.isalnum()))


def _place_of(told: str, text: str) -> int:
    """How far what was told reaches in a text that may differ from it: where the fewest characters
    would have to be changed."""
    if text.startswith(told):
        return len(told)
    # Rows of the edit distance between what was told and every beginning of the text.
    row = list(range(len(text) + 1))
    for number, wanted in enumerate(told, 1):
        diagonal, row[0] = row[0], number
        for at, found in enumerate(text, 1):
            changed = diagonal + (wanted != found)
            diagonal, row[at] = row[at], min(changed, row[at] + 1, row[at - 1] + 1)
    return min(range(len(row)), key=lambda at: (row[at], abs(at - len(told))))
