"""Utterances, their speech, and the features the network learns from.

Everything follows from one seed: utterance number n is the same on every machine that has the
same espeak-ng. Features are 80 mel energies every 10 ms by FunASR's own front end; stacking and
normalisation come later, in `train`.
"""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from builtin_model.speech import TRAINING_VOICES, Speaker, Spoken
from builtin_model.vocabulary import BASE, IDS, SENTENCES

RATE = 16000
Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Utterance:
    """One training example.

    `mels`: (frames of 10 ms, 80) float16. `ids`: token of each character. `spans`: start and end
    of each character in seconds.
    """

    mels: npt.NDArray[np.float16]
    ids: npt.NDArray[np.int16]
    spans: npt.NDArray[np.float32]


def random_text(chance: random.Random) -> str:
    """Words without meaning (so that the network must listen), and some sentences."""
    kind = chance.random()
    if kind < 0.12:
        return chance.choice(SENTENCES)
    if kind < 0.72:
        return _word(chance, chance.randint(1, 12))
    parts = 2 if kind < 0.92 else chance.randint(3, 7)
    pieces = [
        chance.choice(SENTENCES) if chance.random() < 0.15 else _word(chance, chance.randint(2, 9))
        for _ in range(parts)
    ]
    return chance.choice(["，", "，", "。"]).join(pieces)


def _word(chance: random.Random, length: int) -> str:
    return "".join(chance.choice(BASE) for _ in range(length))


def random_speech(
    text: str, chance: random.Random, speaker: Speaker, voices: list[str]
) -> Spoken | None:
    """The text by a random voice at a random rate and pitch."""
    return speaker.say(
        text,
        chance.choice(voices),
        words_per_minute=chance.randint(115, 225),
        pitch=chance.randint(20, 80),
        range_=chance.randint(25, 75),
    )


def at_16_khz(spoken: Spoken) -> Samples:
    """Resampled to what the model hears."""
    import soxr

    resampled: Samples = soxr.resample(spoken.samples, spoken.rate, RATE, "MQ")
    return resampled


def roughen(samples: Samples, noise: np.random.Generator) -> tuple[Samples, float]:
    """The recording as a microphone might have it: silence around it, level, noise, bandwidth.

    Returns:
        The samples and the seconds of silence put before them.
    """
    lead, tail = noise.uniform(0.02, 0.6), noise.uniform(0.08, 0.6)
    padded = np.concatenate(
        [np.zeros(int(lead * RATE)), samples, np.zeros(int(tail * RATE))]
    ).astype(np.float32)
    if noise.random() < 0.12:  # a telephone: nothing above 3.4 kHz
        spectrum = np.fft.rfft(padded)
        spectrum[int(3400 / RATE * len(padded)) :] = 0
        padded = np.fft.irfft(spectrum, len(padded)).astype(np.float32)
    level = float(np.sqrt(np.mean(samples**2)) + 1e-6)
    if noise.random() < 0.7:
        decibels = noise.uniform(10, 45)
        hiss = noise.standard_normal(len(padded)).astype(np.float32)
        if noise.random() < 0.5:  # towards brown: rooms rumble more than they hiss
            hiss = _smooth(hiss, int(noise.integers(2, 12)))
        hiss *= level * 10 ** (-decibels / 20) / (np.sqrt(np.mean(hiss**2)) + 1e-9)
        padded = padded + hiss
    peak = float(np.abs(padded).max()) + 1e-6
    padded *= 10 ** noise.uniform(-26 / 20, 0) * 0.95 / peak
    return padded.astype(np.float32), int(lead * RATE) / RATE


def _smooth(samples: Samples, width: int) -> Samples:
    return np.convolve(samples, np.ones(width, np.float32) / width, mode="same").astype(np.float32)


class Features:
    """FunASR's front end without stacking and normalisation."""

    def __init__(self) -> None:
        from funasr.frontends.wav_frontend import WavFrontend

        self._frontend = WavFrontend(fs=RATE, n_mels=80, lfr_m=1, lfr_n=1, dither=0.0)

    def __call__(self, samples: Samples) -> npt.NDArray[np.float16]:
        import torch

        mels, _ = self._frontend(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
        return mels[0].numpy().astype(np.float16)


def _make(job: tuple[int, int, int]) -> list[Utterance]:
    """Utterances `start` to `stop` of the corpus with this seed (runs in a process of its own)."""
    import torch

    torch.set_num_threads(1)
    seed, start, stop = job
    speaker, features = Speaker(), Features()
    made = []
    for number in range(start, stop):
        chance = random.Random(f"{seed}/{number}")
        noise = np.random.default_rng([seed, number])
        if number % 60 == 0:  # silence and noise alone: nothing is to be written
            quiet = noise.standard_normal(int(noise.uniform(0.4, 3) * RATE)).astype(np.float32)
            quiet = _smooth(quiet, int(noise.integers(1, 12))) * 10 ** noise.uniform(-4, -1)
            empty = np.zeros((0, 2), np.float32)
            made.append(Utterance(features(quiet), np.zeros(0, np.int16), empty))
            continue
        text = random_text(chance)
        spoken = random_speech(text, chance, speaker, TRAINING_VOICES)
        if spoken is None:
            continue
        samples, lead = roughen(at_16_khz(spoken), noise)
        ids = np.array([IDS[char] for char in text if char in IDS], np.int16)
        made.append(Utterance(features(samples), ids, np.array(spoken.spans, np.float32) + lead))
    return made


def make(seed: int, count: int, processes: int) -> Iterator[list[Utterance]]:
    """The corpus in pieces of 200 utterances, in order."""
    jobs = [(seed, start, min(start + 200, count)) for start in range(0, count, 200)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(_make, jobs)
