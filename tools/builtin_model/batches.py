"""From utterances to what the network is shown: stacked, normalised, roughened, with targets."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from builtin_model.corpus import Utterance
from builtin_model.network import FRAME_SECONDS, STACKED, STRIDE, UPSAMPLED
from builtin_model.vocabulary import EOS

IGNORED = -1
# The end token's share of time: it fires within this long after the last character.
_END_SECONDS = 0.18
# The timestamp code of FunASR takes 1.5 upsampled frames off each peak.
_PEAK_DELAY_SECONDS = 1.5 * FRAME_SECONDS / UPSAMPLED
_LEAD_SECONDS = 0.15


@dataclass
class Normalisation:
    """Mean and spread of the stacked features; ends up in am.mvn."""

    mean: torch.Tensor
    deviation: torch.Tensor

    @classmethod
    def of(cls, utterances: list[Utterance]) -> Normalisation:
        frames = torch.cat([stack(u.mels.astype(np.float32)) for u in utterances])
        return cls(frames.mean(0), frames.std(0))


def stack(mels: np.ndarray[Any, Any]) -> torch.Tensor:
    """Seven frames into one, every sixth: FunASR's low frame rate."""
    from funasr.frontends.wav_frontend import apply_lfr

    stacked: torch.Tensor = apply_lfr(torch.from_numpy(mels), STACKED, STRIDE)
    return stacked


@dataclass
class Batch:
    """Padded tensors of some utterances."""

    features: torch.Tensor  # (batch, frames, 560)
    lengths: torch.Tensor  # (batch,)
    tokens: torch.Tensor  # (batch, tokens + 1), with the end token; IGNORED beyond
    counts: torch.Tensor  # (batch,), with the end token; 0 for silence
    slow: torch.Tensor  # (batch, frames): wanted firing rate
    fast: torch.Tensor  # (batch, frames * UPSAMPLED)


def rate_targets(spans: np.ndarray[Any, Any], frames: int) -> tuple[torch.Tensor, torch.Tensor]:
    """When the predictor should fire.

    Slow: one unit per character, spread over its time, one more for the end. Fast: the peaks mark
    where characters begin, so the first unit lies before the first character.
    """
    slow, fast = torch.zeros(frames), torch.zeros(frames * UPSAMPLED)
    if len(spans) == 0:
        return slow, fast
    end = frames * FRAME_SECONDS
    units = [(float(a), float(b)) for a, b in spans]
    last = min(units[-1][1], end - FRAME_SECONDS)
    _spread(slow, [*units, (last, min(last + _END_SECONDS, end))], FRAME_SECONDS)
    delay = _PEAK_DELAY_SECONDS
    first = units[0][0]
    lead = (max(0.0, first - _LEAD_SECONDS), first + delay)
    shifted = [(a + delay, min(b + delay, end)) for a, b in units]
    _spread(fast, [lead, *shifted], FRAME_SECONDS / UPSAMPLED)
    return slow, fast


def _spread(target: torch.Tensor, units: list[tuple[float, float]], step: float) -> None:
    """Add one unit of mass evenly over each interval (seconds) of a grid of `step`."""
    edges = torch.arange(len(target) + 1) * step
    for start, stop in units:
        stop = max(stop, start + step)
        inside = (
            torch.minimum(edges[1:], torch.tensor(stop))
            - torch.maximum(edges[:-1], torch.tensor(start))
        ).clamp(min=0)
        total = inside.sum()
        if total > 0:
            target += inside / total


def collate(
    utterances: list[Utterance],
    norm: Normalisation,
    chance: random.Random | None,
    *,
    warp: bool = False,
) -> Batch:
    """A batch; with `chance`, some mel bands and moments are blanked (SpecAugment, Park et al.
    2019), and with `warp` most voices get a longer or shorter throat.
    """
    stacked, slow, fast = [], [], []
    for u in utterances:
        mels = u.mels.astype(np.float32)
        if chance is not None:
            if warp and chance.random() < 0.6:
                mels = _warp(mels, math.exp(chance.uniform(-0.2, 0.28)))
            mels = _blank(mels, chance)
        features = (stack(mels) - norm.mean) / norm.deviation
        stacked.append(features)
        wanted = rate_targets(u.spans, len(features))
        slow.append(wanted[0])
        fast.append(wanted[1])
    pad = torch.nn.utils.rnn.pad_sequence
    ids = [torch.tensor([*u.ids.tolist(), EOS] if len(u.ids) else [EOS]) for u in utterances]
    counts = torch.tensor(
        [len(i) if len(u.ids) else 0 for i, u in zip(ids, utterances, strict=True)]
    )
    return Batch(
        pad(stacked, batch_first=True),
        torch.tensor([len(s) for s in stacked]),
        pad(ids, batch_first=True, padding_value=IGNORED),
        counts,
        pad(slow, batch_first=True),
        pad(fast, batch_first=True),
    )


def _warp(mels: np.ndarray[Any, Any], factor: float) -> np.ndarray[Any, Any]:
    """Formants moved by `factor`, as vocal tract length perturbation does (Jaitly and Hinton
    2013), here on the mel axis: what stood at frequency f stands at f times `factor`.
    """
    top = 1127 * math.log(1 + 8000 / 700)
    hertz = 700 * (np.exp(np.linspace(0, top, mels.shape[1]) / 1127) - 1) / factor
    place = np.clip(1127 * np.log1p(hertz / 700) / top, 0, 1) * (mels.shape[1] - 1)
    low = np.minimum(place.astype(int), mels.shape[1] - 2)
    share = (place - low).astype(np.float32)
    warped: np.ndarray[Any, Any] = mels[:, low] * (1 - share) + mels[:, low + 1] * share
    return warped


def _blank(mels: np.ndarray[Any, Any], chance: random.Random) -> np.ndarray[Any, Any]:
    mels = mels.copy()
    floor = mels.mean()
    for _ in range(2):
        width = chance.randint(0, 10)
        start = chance.randint(0, 80 - width)
        mels[:, start : start + width] = floor
    for _ in range(1 + len(mels) // 150):
        width = chance.randint(0, 8)
        start = chance.randint(0, max(0, len(mels) - width))
        mels[start : start + width] = floor
    return mels


def batches(
    utterances: list[Utterance], frames: int, chance: random.Random
) -> Iterator[list[Utterance]]:
    """Utterances of like length together, at most `frames` padded frames of 60 ms a batch."""
    order = sorted(
        range(len(utterances)), key=lambda i: len(utterances[i].mels) * chance.uniform(0.9, 1.1)
    )
    groups: list[list[int]] = [[]]
    for index in order:
        longest = len(utterances[index].mels) // STRIDE + 1
        if groups[-1] and longest * (len(groups[-1]) + 1) > frames:
            groups.append([])
        groups[-1].append(index)
    chance.shuffle(groups)
    for group in groups:
        yield [utterances[i] for i in group]
