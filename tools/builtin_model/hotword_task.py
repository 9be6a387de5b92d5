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

    def __init__(self) -> None:
        self.offered = 0
        self._recent: list[float] = []

    def learned(self, right: float) -> None:
        """One more batch, with this share of hotword characters right."""
        self._recent.append(right)
        if len(self._recent) == _LESSON_BATCHES:
            if sum(self._recent) / _LESSON_BATCHES > _LESSON_RIGHT:
                self.offered = min(_MOST_OFFERED, self.offered + 2)
            self._recent.clear()


_LESSON_BATCHES, _LESSON_RIGHT, _MOST_OFFERED = 25, 0.6, 40


@dataclass
class Task:
    """Which hotwords a batch is given and what is to be written.

    `words`: all of them, the end mark last. `lists`: for each utterance, which ones it is offered.
    `labels`: for each utterance, the hotword's character or NO_BIAS at each token.
    """

    words: list[list[int]]
    lists: list[list[int]]
    labels: list[list[int]]


def hotword_task(texts: list[list[int]], chance: random.Random, offered: int) -> Task:
    """Utterances with lists of their own: most have a word they say, spelled in some way; all have
    up to `offered` others, of which some differ from a word said by one character.
    """
    task = Task([], [], [])
    for tokens in texts:
        task.lists.append([])
        task.labels.append([NO_BIAS] * (len(tokens) + 1))
        if chance.random() < 0.7:
            length = min(len(tokens), chance.choice((2, 2, 2, 3, 3, 4, 5)))
            start = chance.randint(0, len(tokens) - length)
            word = respell(tokens[start : start + length], chance, 0.6)
            if tuple(word) not in _HELD_OUT:
                task.lists[-1].append(len(task.words))
                task.words.append(word)
    for _ in range(_RANDOM_WORDS):
        task.words.append(_random_word(chance, chance.choice((2, 2, 3, 4))))
    common = range(len(task.words))
    for tokens, chosen, label in zip(texts, task.lists, task.labels, strict=True):
        if chosen and offered and chance.random() < 0.25:
            near = list(task.words[chosen[0]])
            near[chance.randrange(len(near))] = _random_word(chance, 1)[0]
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


def _random_word(chance: random.Random, length: int) -> list[int]:
    return respell([IDS[chance.choice(BASE)] for _ in range(length)], chance, 0.35)


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
_COMMON = {IDS[r]: IDS[c] for c, rare in SOUNDS_LIKE.items() for r in rare}


def _sounds(word: list[int]) -> list[int]:
    """The base characters with the same sounds."""
    return [_COMMON.get(token, token) for token in word]
