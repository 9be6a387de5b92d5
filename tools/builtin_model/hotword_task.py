"""What stage 2 is asked to do: which words an utterance is offered, and what is to be written.

Spellings only; no speech, no network.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from builtin_model.heldout import HOTWORDS
from builtin_model.vocabulary import BASE, IDS, NO_BIAS, SOS, SOUNDS_LIKE, TOKENS


def respell(word: list[int], chance: random.Random, likelihood: float) -> list[int]:
    """The same sounds, some written with the rarer character."""
    spelled = []
    for token in word:
        others = SOUNDS_LIKE.get(TOKENS[token], [])
        swap = others and chance.random() < likelihood
        spelled.append(IDS[chance.choice(others)] if swap else token)
    return spelled


class Lesson:
    """How many words that are not said an utterance is offered beside its own.

    With long lists from the start nothing is learned at all: the network first has to find out
    that a word it is offered can be the one it hears. The list grows as it gets words right.
    """

    def __init__(self, offered: int = 0) -> None:
        self.offered = offered
        self._recent: list[float] = []

    def learned(self, right: float) -> None:
        """One more batch, with this share of hotword characters right."""
        self._recent.append(right)
        if len(self._recent) == _LESSON_BATCHES:
            if sum(self._recent) / _LESSON_BATCHES > _LESSON_RIGHT:
                self.offered = min(MOST_OFFERED, self.offered + 2)
            self._recent.clear()


_LESSON_BATCHES, _LESSON_RIGHT, MOST_OFFERED = 25, 0.6, 40


@dataclass
class Task:
    """Which hotwords a batch is given and what is to be written.

    `words`: all of them, the end mark last. `lists`: for each utterance, which ones it is offered.
    `labels`: for each utterance, the hotword's character or NO_BIAS at each token.
    """

    words: list[list[int]]
    lists: list[list[int]]
    labels: list[list[int]]


def hotword_task(
    texts: list[list[int]], chance: random.Random, offered: int, focus: float = 0.0
) -> Task:
    """Utterances with lists of their own: most have a word they say, spelled in some way; all have
    up to `offered` others, of which some differ from something said by one character.

    Args:
        texts: the tokens of each utterance.
        chance: where all choices come from.
        offered: see `Lesson`.
        focus: 0 to 1, how much the words turn about characters that have rarer spellings; only
            one in six has.
    """
    task = Task([], [], [])
    for tokens in texts:
        task.lists.append([])
        task.labels.append([NO_BIAS] * (len(tokens) + 1))
        if chance.random() < 0.7:
            word = respell(_part(tokens, chance, focus), chance, 0.6 + 0.25 * focus)
            if tuple(word) not in _HELD_OUT:
                task.lists[-1].append(len(task.words))
                task.words.append(word)
    for _ in range(_RANDOM_WORDS):
        task.words.append(_random_word(chance, chance.choice((2, 2, 3, 4)), focus))
    common = range(len(task.words))
    for tokens, chosen, label in zip(texts, task.lists, task.labels, strict=True):
        if offered and (chosen or focus) and chance.random() < 0.25 + 0.25 * focus:
            said = task.words[chosen[0]] if chosen else _part(tokens, chance, focus)
            near = list(said)
            near[chance.randrange(len(near))] = _random_word(chance, 1, focus)[0]
            task.words.append(near)
            _offer(task.words, chosen, len(task.words) - 1)
        # An utterance that says none of its words is what hotwords are most often met with.
        least = 0 if chosen else 1
        more = chance.randint(least, max(least, offered))
        for index in chance.sample(common, min(more, len(common))):
            _offer(task.words, chosen, index)
        _mark(task.words, chosen, tokens, label)
    task.words.append([SOS])
    for chosen in task.lists:
        chosen.append(len(task.words) - 1)
    return task


_RANDOM_WORDS = 24


def _part(tokens: list[int], chance: random.Random, focus: float) -> list[int]:
    """Two to five characters in a row."""
    length = min(len(tokens), chance.choice((2, 2, 2, 3, 3, 4, 5)))
    starts = list(range(len(tokens) - length + 1))
    if chance.random() < focus:
        starts = [
            start for start in starts if _SPELLED.intersection(tokens[start : start + length])
        ] or starts
    start = chance.choice(starts)
    return tokens[start : start + length]


def _random_word(chance: random.Random, length: int, focus: float) -> list[int]:
    word = [
        chance.choice(_SPELLED_LIST) if chance.random() < focus / 2 else IDS[chance.choice(BASE)]
        for _ in range(length)
    ]
    return respell(word, chance, 0.35 + 0.4 * focus)


def _offer(words: list[list[int]], chosen: list[int], index: int) -> None:
    """Add a word to a list unless it is kept for the examination or sounds like one in it."""
    word = words[index]
    sounds_taken = any(_sounds(words[other]) == _sounds(word) for other in chosen)
    if tuple(word) not in _HELD_OUT and not sounds_taken:
        chosen.append(index)


def _mark(words: list[list[int]], chosen: list[int], tokens: list[int], label: list[int]) -> None:
    """Write each offered word wherever it is said; the first in the list wins."""
    said = _sounds(tokens)
    for index in chosen:
        word, sounds = words[index], _sounds(words[index])
        for start in range(len(said) - len(word) + 1):
            free = all(mark == NO_BIAS for mark in label[start : start + len(word)])
            if free and said[start : start + len(word)] == sounds:
                label[start : start + len(word)] = word


_HELD_OUT = {tuple(IDS[char] for char in word) for word in HOTWORDS}
# Characters that can be spelled in a rarer way.
_SPELLED_LIST = sorted(IDS[common] for common in SOUNDS_LIKE)
_SPELLED = frozenset(_SPELLED_LIST)
_COMMON = {IDS[r]: IDS[c] for c, rare in SOUNDS_LIKE.items() for r in rare}


def _sounds(word: list[int]) -> list[int]:
    """The base characters with the same sounds."""
    return [_COMMON.get(token, token) for token in word]
