"""Conversations of espeak-ng's voices, of which it is known who speaks when.

Follows from a seed. The voices are those that the built-in model was trained with
(`builtin_model/speech.py`), so that its words can be used, too.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from builtin_model.corpus import RATE, at_16_khz, random_text
from builtin_model.speech import TRAINING_VOICES, Speaker

Samples = npt.NDArray[np.float32]
# Of the turns of an overlapping conversation; each begins so long before the one before it ends.
_OVERLAPPING_TURNS = 0.35
_OVERLAP_SECONDS = (0.4, 1.5)
_PAUSE_SECONDS = (0.15, 1.2)
_TURN_SECONDS = (1.5, 12.0)
_NOISE_DECIBELS = (20, 40)


@dataclass(frozen=True, slots=True)
class Turn:
    """Somebody speaks, in seconds from the start of the conversation."""

    start: float
    end: float
    speaker: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """`samples`: float32 at 16 kHz."""

    samples: Samples
    turns: tuple[Turn, ...]
    speakers: int
    is_overlapping: bool

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE


@dataclass(frozen=True, slots=True)
class Person:
    """A voice with habits of its own."""

    voice: str
    words_per_minute: int
    pitch: int
    loudness: float


def people(chance: random.Random, count: int) -> list[Person]:
    """So many different voices."""
    return [
        Person(voice, chance.randint(130, 200), chance.randint(25, 75), chance.uniform(0.5, 1.0))
        for voice in chance.sample(TRAINING_VOICES, count)
    ]


def conversation(
    speaker: Speaker, seed: int, count: int, seconds: float, *, is_overlapping: bool
) -> Conversation:
    """People who talk in turns.

    Args:
        speaker: says it.
        seed: the same gives the same conversation.
        count: how many people.
        seconds: how long at least.
        is_overlapping: whether some begin before the one before them has ended.
    """
    chance = random.Random(f"{seed}/{count}/{is_overlapping}")
    present = people(chance, count)
    mix = np.zeros(0, np.float32)
    turns: list[Turn] = []
    last: Person | None = None
    while len(mix) < seconds * RATE:
        person = chance.choice([one for one in present if one is not last] or present)
        speech = _speech(speaker, chance, person)
        start = _start(chance, turns, is_overlapping)
        begin = round(start * RATE)
        mix = np.pad(mix, (0, max(0, begin + len(speech) - len(mix))))
        mix[begin : begin + len(speech)] += speech
        turns.append(Turn(start, start + len(speech) / RATE, person.voice))
        last = person
    return Conversation(_noisy(mix, chance), tuple(turns), count, is_overlapping)


def _start(chance: random.Random, turns: list[Turn], is_overlapping: bool) -> float:
    if not turns:
        return 0.3
    # Not into the turn before the last: two voices at once are enough.
    free = max((turn.end for turn in turns[:-1]), default=0.0)
    if is_overlapping and chance.random() < _OVERLAPPING_TURNS:
        wanted = turns[-1].end - chance.uniform(*_OVERLAP_SECONDS)
        return max(free, turns[-1].start + 0.5, wanted)
    return max(free, turns[-1].end) + chance.uniform(*_PAUSE_SECONDS)


def _speech(speaker: Speaker, chance: random.Random, person: Person) -> Samples:
    shortest, longest = _TURN_SECONDS
    while True:
        spoken = speaker.say(
            random_text(chance), person.voice, words_per_minute=person.words_per_minute,
            pitch=person.pitch,
        )  # fmt: skip
        if spoken is None:
            continue
        speech = _trimmed(at_16_khz(spoken))
        if shortest <= len(speech) / RATE <= longest:
            level = float(np.sqrt(np.mean(speech**2))) + 1e-6
            return np.asarray(speech * (0.08 * person.loudness / level), np.float32)


def _trimmed(speech: Samples) -> Samples:
    """Without the silence around it, which would count as speech."""
    loud = np.flatnonzero(np.abs(speech) > 0.01 * np.abs(speech).max())
    return speech[loud[0] : loud[-1] + 1]


def _noisy(mix: Samples, chance: random.Random) -> Samples:
    noise = np.random.default_rng(chance.randrange(2**32)).standard_normal(len(mix))
    level = float(np.sqrt(np.mean(mix**2)))
    mix = mix + noise.astype(np.float32) * level * 10 ** (-chance.uniform(*_NOISE_DECIBELS) / 20)
    return np.asarray(mix * (0.9 / max(0.9, float(np.abs(mix).max()))), np.float32)
