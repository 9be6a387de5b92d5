"""Data that was zeroed is told; digital silence that belongs to a recording is not.

Speech is made here, in the ways machines make it: voiced sounds that swell and die away, and
hissing ones that set in at once, between silence of nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import sounds

from seacod.asr.sound.decoding import Decoding

Sound = npt.NDArray[np.float64]
RATES = (8_000, 16_000, 22_050, 44_100, 48_000)


def voice(chance: np.random.Generator, rate: int, seconds: float) -> Sound:
    """Sounds one after the other, without a pause between them."""
    parts: list[Sound] = []
    while sum(map(len, parts)) < seconds * rate:
        time = np.arange(int(chance.uniform(0.06, 0.25) * rate)) / rate
        length = time[-1]
        if chance.random() < 0.3:
            wave = chance.normal(0, 0.1, len(time))
            swell = np.minimum(1, time / 0.002)
        else:
            pitch = chance.uniform(90, 250)
            wave = sum(
                np.sin(2 * np.pi * pitch * n * time) / n**1.2
                for n in range(1, 12)
                if pitch * n < rate / 2
            )
            swell = np.minimum(1, time / chance.uniform(0.01, 0.03))
        parts.append(wave * swell * np.minimum(1, (length - time) / chance.uniform(0.02, 0.06)))
    sound = np.concatenate(parts)
    return np.asarray(0.4 * sound / np.abs(sound).max() * chance.uniform(0.2, 2))


def nothing(rate: int, seconds: float) -> Sound:
    return np.zeros(int(seconds * rate))


def synthetic(chance: np.random.Generator, rate: int) -> Sound:
    parts = [nothing(rate, chance.uniform(0, 3))]
    for _ in range(chance.integers(2, 7)):
        parts += [voice(chance, rate, chance.uniform(0.4, 3))]
        parts += [nothing(rate, chance.uniform(0.1, 3))]
    return np.concatenate(parts)


def reading(chance: np.random.Generator, rate: int) -> Sound:
    """Without a pause, as machines read long sentences."""
    return np.concatenate([nothing(rate, 1), voice(chance, rate, 12), nothing(rate, 1)])


def noisy(chance: np.random.Generator, rate: int) -> Sound:
    sound = synthetic(chance, rate)
    level = np.sqrt((sound**2).mean()) * 10 ** (-chance.uniform(20, 50) / 20)
    return np.asarray(sound + chance.normal(0, level, len(sound)))


def gated(chance: np.random.Generator, rate: int) -> Sound:
    """Opens at once and closes hard, as cheap gates do."""
    sound = synthetic(chance, rate)
    level = np.sqrt((sound**2).mean()) * 10 ** (-chance.uniform(30, 50) / 20)
    hop = int(0.01 * rate)
    frames = (sound + chance.normal(0, level, len(sound)))[: len(sound) // hop * hop]
    frames = frames.reshape(-1, hop)
    is_open = np.sqrt((frames**2).mean(axis=1)) > 2.5 * level
    for held in range(1, chance.integers(2, 20)):
        is_open[held:] |= is_open[:-held]
    return np.asarray(np.where(is_open[:, None], frames, 0.0).reshape(-1))


def faded(chance: np.random.Generator, rate: int) -> Sound:
    sound = music(chance, rate)
    length = int(chance.uniform(0.05, 2) * rate)
    sound[:length] *= np.linspace(0, 1, length)
    sound[-length:] *= np.linspace(1, 0, length)
    quiet = nothing(rate, chance.uniform(0.3, 5))
    return np.concatenate([quiet, sound, quiet, sound, quiet])


def music(chance: np.random.Generator, rate: int) -> Sound:
    sound = nothing(rate, 12)
    for start in np.arange(0, 11.5, 0.25):
        at = int(start * rate)
        time = np.arange(min(rate, len(sound) - at)) / rate
        pitch = 110 * 2 ** (chance.integers(0, 36) / 12)
        tone = sum(np.sin(2 * np.pi * pitch * n * time) / n for n in range(1, 4))
        sound[at : at + len(time)] += 0.05 * tone * np.exp(-3 * time) * np.minimum(1, 200 * time)
    return sound


def noise(chance: np.random.Generator, rate: int) -> Sound:
    return np.asarray(chance.normal(0, 10 ** (-chance.uniform(15, 60) / 20), 12 * rate))


def examples(chance: np.random.Generator, rate: int) -> Sound:
    """The recordings of the repository, with pauses of nothing between them."""
    parts: list[Sound] = []
    for number in chance.integers(0, len(sounds.EXAMPLES), 4).tolist():
        path = sounds.EXAMPLES_DIRECTORY / sounds.EXAMPLES[number]["file"]
        parts += [soundfile.read(path)[0], nothing(16_000, chance.uniform(0.1, 4))]
    return np.concatenate(parts)


def told(path: Path, sound: Sound, rate: int, kind: str = "PCM_16") -> list[tuple[float, float]]:
    soundfile.write(path, np.clip(sound, -1, 1), rate, subtype=kind, format="WAV")
    decoding = Decoding(path, max_seconds=3600)
    for _ in decoding.stretches():
        pass
    return [
        (one.start_seconds or 0.0, one.end_seconds or 0.0)
        for one in decoding.findings.warnings()
        if one.code == "zeroed"
    ]


Maker = Callable[[np.random.Generator, int], Sound]


@pytest.mark.parametrize("made", [synthetic, reading, gated, faded, examples, noisy, music],
                         ids=lambda one: one.__name__)  # fmt: skip
def test_silence_of_its_own_is_no_damage(tmp_path: Path, made: Maker) -> None:
    chance = np.random.default_rng(1)
    wrong = []
    for number in range(20):
        rate = 16_000 if made is examples else RATES[number % len(RATES)]
        kind = ("PCM_16", "PCM_24")[number % 2]
        if found := told(tmp_path / "a.wav", made(chance, rate), rate, kind):
            wrong.append((number, found))
    assert len(wrong) <= 1, wrong


# How much of what is zeroed is told; an edge that falls into a quiet moment tells nothing.
@pytest.mark.parametrize(
    ("made", "least"), [(noise, 19), (music, 19), (noisy, 15), (reading, 12)],
    ids=lambda one: getattr(one, "__name__", str(one)),
)  # fmt: skip
def test_zeroed_data_is_told_with_its_place(tmp_path: Path, made: Maker, least: int) -> None:
    chance = np.random.default_rng(2)
    found = 0
    for number in range(20):
        rate = RATES[number % len(RATES)]
        sound = made(chance, rate)
        seconds = len(sound) / rate
        length = chance.uniform(0.2, min(10, seconds / 2))
        start = chance.uniform(0.3, seconds - length - 0.3)
        sound[int(start * rate) : int((start + length) * rate)] = 0.0
        kind = ("PCM_16", "PCM_24")[number % 2]
        places = told(tmp_path / "a.wav", sound, rate, kind)
        found += any(a < start + length and b > start for a, b in places)
    assert found >= least, found


def test_the_place_is_exact(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    sound = noise(chance, 44_100)
    sound[100_000:200_000] = 0.0
    assert told(tmp_path / "a.wav", sound, 44_100) == [
        (pytest.approx(100_000 / 44_100, abs=0.001), pytest.approx(200_000 / 44_100, abs=0.001))
    ]


def test_a_beginning_and_an_end_of_nothing_are_usual(tmp_path: Path) -> None:
    chance = np.random.default_rng(4)
    for _ in range(10):
        body = voice(chance, 16_000, 3)
        sound = np.concatenate([nothing(16_000, 20), body, nothing(16_000, 20)])
        assert not told(tmp_path / "a.wav", sound, 16_000)


def test_zeros_that_are_full_scale_are_told_even_between_silence(tmp_path: Path) -> None:
    """A zeroed byte of 8 bits is as far down as it goes."""
    content = bytearray(sounds.silence(6.0))
    content[20_044:28_044] = bytes(8_000)
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    decoding = Decoding(path, max_seconds=60)
    for _ in decoding.stretches():
        pass
    (warning,) = decoding.findings.warnings()
    assert (warning.code, warning.start_seconds, warning.end_seconds) == ("zeroed", 2.5, 3.5)


def test_many_pauses_are_judged_without_keeping_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seacod.asr.sound.breaks._MOST", 5)
    chance = np.random.default_rng(5)
    sound = np.concatenate([synthetic(chance, 8_000) for _ in range(8)])
    assert not told(tmp_path / "a.wav", sound, 8_000)
