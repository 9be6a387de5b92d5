"""Two people who talk, for pictures and trials of the page: espeak-ng says what the built-in model
can write, in two voices. make_screenshots.py calls it."""

from __future__ import annotations

import numpy as np

from builtin_model.corpus import Samples, at_16_khz
from builtin_model.speech import Speaker

VOICES = ("f2", "m3")
RATE = 16_000
# In turns; what stands between blanks is said with a pause.
TURNS = (
    "你明天早上有会吗",
    "明天早上八点开会 大家都要来",
    "会上要说什么",
    "要说安全 安全要大家做 请给我一百二十个字",
    "这个电话是他打的",
    "他没有来开会 他在北京上大学",
    "那我们晚上去看海",
    "今天天气很好 我跟你去看海",
    "今晚有大风和雨 请等他一下",
    "现在是九点二十分 火车到站了",
)
_PAUSE_SECONDS, _TURN_SECONDS = 0.55, 0.9


def conversation(seconds: float = 0.0) -> Samples:
    """The turns, again and again until it is so long; float32 at 16 kHz."""
    speaker = Speaker()
    said: dict[tuple[str, str], Samples] = {}
    parts: list[Samples] = [_silence(0.3)]
    while True:
        for number, turn in enumerate(TURNS):
            for sentence in turn.split():
                which = sentence, VOICES[number % 2]
                if which not in said:
                    said[which] = _say(speaker, *which)
                parts += [said[which], _silence(_PAUSE_SECONDS)]
            parts.append(_silence(_TURN_SECONDS - _PAUSE_SECONDS))
        if sum(map(len, parts)) >= seconds * RATE:
            return np.concatenate(parts)


def _say(speaker: Speaker, sentence: str, voice: str) -> Samples:
    spoken = speaker.say(sentence, voice, words_per_minute=150)
    if spoken is None:
        raise RuntimeError(f"espeak-ng gives no times for {sentence}")
    samples = at_16_khz(spoken)
    return np.asarray(0.6 * samples / np.abs(samples).max(), np.float32)


def _silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE), np.float32)
