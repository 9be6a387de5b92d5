"""What the model is examined on: sentences by voices it never heard, words it never had as
hotwords. Follows from a seed of its own, so that anyone can measure again.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from builtin_model.corpus import RATE, at_16_khz, random_speech, random_text
from builtin_model.speech import HELD_OUT_VOICES, Speaker
from builtin_model.vocabulary import BASE, HOMOPHONES

_SEED = 977
UTTERANCES = 200

# Names as people have them; each has at least one of the rarer characters. Never a hotword in
# training (`hotword_task` leaves them out).
NAMES = (
    "欣悦 佳铭 宏宇 嘉欣 杨洋 金鑫 程峰 洪福 冬泉 希曼 曼玲 鹏程 晶晶 佳媛 丰泉 惠萍 健忠 畅洋 "
    "岳峰 菲菲 添福 舒畅 权忠 桂枫 隆诚 邱岳 溪舟 曦媛 椿玲 珊珊 中洋 大鹏 海峰 山枫 明珊 国权 "
    "小舟 安琪 龙隆 天佳 春桂 雨欣 家铭 花玲 文希 水晶 长丰 福安 老洪 北溪 东冬 周舟 金龙 星宇 "
    "杨小峰 金佳欣 程海洋 洪大宏 邱明悦 岳长健 舒心悦 嘉文惠 铭心玲 欣欣然 丰收曼 忠诚鹏"
).split()
HOTWORDS = tuple(
    name
    for name in dict.fromkeys(NAMES)
    if set(name) <= set(BASE) | set(HOMOPHONES) and set(name) & set(HOMOPHONES)
)


@dataclass(frozen=True, slots=True)
class Item:
    """One recording of the examination. `samples`: float32 at 16 kHz."""

    text: str
    voice: str
    samples: npt.NDArray[np.float32]
    word: str = ""


def plain_text(word: str) -> str:
    """How a word is written by who knows only its sound."""
    return "".join(HOMOPHONES.get(char, char) for char in word)


def utterances() -> list[Item]:
    """Recordings with ordinary text, clean, with a little silence around them."""
    speaker = Speaker()
    chance = random.Random(_SEED)
    items: list[Item] = []
    while len(items) < UTTERANCES:
        voice = HELD_OUT_VOICES[len(items) % len(HELD_OUT_VOICES)]
        text = random_text(chance)
        spoken = random_speech(text, chance, speaker, [voice])
        if spoken is not None and len(spoken.samples) < 20 * spoken.rate:
            items.append(Item(_characters(text), voice, _with_silence(at_16_khz(spoken))))
    return items


def with_hotwords() -> list[Item]:
    """Each held-out word twice, in the middle of random words; `text` has the right spelling."""
    speaker = Speaker()
    chance = random.Random(_SEED + 1)
    items = []
    for number, word in enumerate(HOTWORDS * 2):
        voice = HELD_OUT_VOICES[number % len(HELD_OUT_VOICES)]
        before = "".join(chance.choice(BASE) for _ in range(chance.randint(1, 4)))
        after = "".join(chance.choice(BASE) for _ in range(chance.randint(1, 4)))
        spoken = random_speech(before + word + after, chance, speaker, [voice])
        if spoken is not None:
            samples = _with_silence(at_16_khz(spoken))
            items.append(Item(before + word + after, voice, samples, word))
    return items


def distractors(count: int, seed: int, said: str = "") -> list[str]:
    """Hotwords that nobody says: held-out words other than `said`."""
    others = [word for word in HOTWORDS if plain_text(word) != plain_text(said)]
    return random.Random(f"{_SEED}/{seed}").sample(others, count)


def _characters(text: str) -> str:
    return "".join(char for char in text if char in BASE)


def _with_silence(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    pause = np.zeros(int(0.2 * RATE), np.float32)
    return np.concatenate([pause, samples, pause])
