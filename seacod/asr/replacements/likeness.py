"""Which characters sound alike, by pypinyin: the same syllable in any of their readings, whatever
the tone, and what many speakers do not tell apart (zh and z, n and l, -ing and -in, ...)."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec

# Syllables, written so that those which sound alike are the same.
Sounds = frozenset[str]

_SAME_BEGINNINGS = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("l", "n"), ("h", "f"))
_SAME_ENDINGS = (("ang", "an"), ("eng", "en"), ("ing", "in"))


def is_there() -> bool:
    """Whether pypinyin is installed."""
    return find_spec("pypinyin") is not None


def sounds_of(text: str) -> list[Sounds]:
    """The syllables of each character; none for what is no Chinese character."""
    return [_sounds(character) for character in text]


@lru_cache(maxsize=20_000)
def _sounds(character: str) -> Sounds:
    if not "\u3400" <= character <= "\u9fff":
        return frozenset()
    # Here, since only who has such rules needs it.
    from pypinyin import Style, pinyin

    (readings,) = pinyin(character, style=Style.NORMAL, heteronym=True)
    return frozenset(map(_as_heard, readings))


def _as_heard(syllable: str) -> str:
    for one, other in _SAME_BEGINNINGS:
        if syllable.startswith(one):
            syllable = other + syllable.removeprefix(one)
            break
    for one, other in _SAME_ENDINGS:
        if syllable.endswith(one):
            return syllable.removesuffix(one) + other
    return syllable
