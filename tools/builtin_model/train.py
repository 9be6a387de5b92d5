"""The two stages of training.

1. Listening: encoder, predictor and decoder together. The predictor is told when each character
   begins and ends (espeak-ng knows), so it need not find out by itself; that is why the whole
   takes minutes and why the timestamps are right.
2. Hotwords: everything else is frozen and its outputs are computed once; the bias encoder and
   the SeACo decoder learn to write a listed word where it is heard, with its own spelling, and
   `<no_bias>` elsewhere.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from builtin_model.corpus import Utterance
from builtin_model.heldout import HOTWORDS
from builtin_model.network import (
    CHANNELS,
    FRAME_SECONDS,
    STACKED,
    STRIDE,
    UPSAMPLED,
    integrate,
    rates,
)
from builtin_model.vocabulary import BASE, EOS, IDS, NO_BIAS, SOS, SOUNDS_LIKE, TOKENS

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


@dataclass
class Heard:
    """What the listening part makes of a batch."""

    encoded: torch.Tensor
    mask: torch.Tensor
    slow: torch.Tensor
    fast: torch.Tensor
    embeds: torch.Tensor
    logits: torch.Tensor
    hidden: torch.Tensor


def listen(model: Any, batch: Batch) -> Heard:
    """Encoder, predictor (scaled to the true count) and decoder."""
    encoded, _, _ = model.encoder(batch.features, batch.lengths)
    frames = encoded.shape[1]
    mask = (torch.arange(frames)[None, :] < batch.lengths[:, None]).to(encoded.dtype)
    slow, fast = rates(model, encoded, mask)
    scale = batch.counts / slow.sum(1).clamp(min=1e-3)
    embeds = integrate(encoded, slow * scale[:, None], int(batch.tokens.shape[1]))
    logits, hidden, _ = model.decoder(
        encoded, batch.lengths, embeds, batch.counts.clamp(min=1),
        return_hidden=True, return_both=True,
    )  # fmt: skip
    return Heard(encoded, mask, slow, fast, embeds, logits, hidden)


def listening_loss(model: Any, batch: Batch) -> tuple[torch.Tensor, float]:
    """The loss of stage 1, and the share of tokens that are right."""
    heard = listen(model, batch)
    tokens = batch.tokens.clone()
    tokens[batch.counts == 0] = IGNORED
    loss = functional.cross_entropy(
        heard.logits.transpose(1, 2), tokens, ignore_index=IGNORED, label_smoothing=0.1
    )
    # When to fire: frame by frame, and in all.
    when = (heard.slow - batch.slow).abs().sum() / batch.counts.sum()
    when_fast = (heard.fast - batch.fast).abs().sum() / batch.counts.sum()
    how_many = (heard.slow.sum(1) - batch.counts).abs().mean()
    how_many_fast = (heard.fast.sum(1) - batch.counts).abs().mean()
    total = loss + 0.7 * when + 0.3 * when_fast + 0.2 * how_many + 0.05 * how_many_fast
    valid = tokens != IGNORED
    right = (heard.logits.argmax(-1) == tokens)[valid].float().mean().item()
    return total, right


class Average:
    """Moving average of the weights: what is shipped."""

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self._decay = decay
        self._weights = {k: v.detach().clone() for k, v in model.state_dict().items()}
        self._steps = 0

    @torch.no_grad()
    def update(self, model: torch.nn.Module) -> None:
        self._steps += 1
        decay = min(self._decay, self._steps / (self._steps + 10))
        for key, value in model.state_dict().items():
            if value.dtype.is_floating_point:
                self._weights[key].lerp_(value.detach(), 1 - decay)
            else:
                self._weights[key].copy_(value)

    def state_dict(self) -> dict[str, torch.Tensor]:
        return self._weights


def run(
    name: str,
    model: torch.nn.Module,
    parameters: list[torch.nn.Parameter],
    steps: int,
    peak_rate: float,
    next_loss: Callable[[], tuple[torch.Tensor, float]],
    checkpoint: Path,
) -> dict[str, torch.Tensor]:
    """Optimise, with warm-up and a cosine down to nothing; resumes from `checkpoint`.

    Returns:
        The averaged weights.
    """
    optimiser = torch.optim.AdamW(parameters, lr=peak_rate, betas=(0.9, 0.98), weight_decay=1e-3)
    average = Average(model, 0.998)
    first = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        average._weights, average._steps = saved["average"], saved["step"]
        first = saved["step"]
    began, shown_loss, shown_right, shown = time.monotonic(), 0.0, 0.0, 0
    for step in range(first, steps):
        warm = min(1.0, (step + 1) / 300)
        rate = peak_rate * warm * 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss, right = next_loss()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimiser.step()
        average.update(model)
        shown_loss, shown_right, shown = shown_loss + loss.item(), shown_right + right, shown + 1
        if (step + 1) % 50 == 0:
            seconds = (time.monotonic() - began) / (step + 1 - first)
            print(
                f"{name} {step + 1}/{steps} loss {shown_loss / shown:.3f} right "
                f"{shown_right / shown:.3f} {seconds:.2f} s/step, "
                f"{seconds * (steps - step - 1) / 60:.0f} min left",
                flush=True,
            )
            shown_loss, shown_right, shown = 0.0, 0.0, 0
        if (step + 1) % 500 == 0 or step + 1 == steps:
            torch.save(
                {
                    "model": model.state_dict(), "optimiser": optimiser.state_dict(),
                    "average": average.state_dict(), "step": step + 1,
                },
                checkpoint,
            )  # fmt: skip
    return average.state_dict()


def train_listening(
    model: Any, utterances: list[Utterance], norm: Normalisation, *, seed: int, steps: int,
    frames: int, checkpoint: Path, peak_rate: float = 2e-3, warp: bool = False,
) -> dict[str, torch.Tensor]:  # fmt: skip
    """Stage 1. `frames`: padded 60 ms frames a batch. `warp`: see `collate`."""
    model.train()
    chance = random.Random(seed)

    def endless() -> Iterator[list[Utterance]]:
        while True:
            yield from batches(utterances, frames, chance)

    source = endless()

    def next_loss() -> tuple[torch.Tensor, float]:
        batch = collate(next(source), norm, chance, warp=warp)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return listening_loss(model, batch)

    parts = (model.encoder, model.predictor, model.decoder)
    parameters = [p for part in parts for p in part.parameters()]
    return run("listening", model, parameters, steps, peak_rate, next_loss, checkpoint)


# -- stage 2 ------------------------------------------------------------------------------------


@dataclass
class Cached:
    """What the frozen part makes of one utterance."""

    embeds: torch.Tensor
    hidden: torch.Tensor
    tokens: list[int]  # characters only


@torch.no_grad()
def cache(model: Any, utterances: list[Utterance], norm: Normalisation) -> list[Cached]:
    """Run the frozen listening part once over everything that has text."""
    model.eval()
    cached = []
    spoken = [u for u in utterances if len(u.ids) >= 2]
    for group in batches(spoken, 6000, random.Random(0)):
        batch = collate(group, norm, None)
        heard = listen(model, batch)
        for row, utterance in enumerate(group):
            count = len(utterance.ids) + 1
            cached.append(
                Cached(
                    heard.embeds[row, :count].clone(), heard.hidden[row, :count].clone(),
                    utterance.ids.tolist(),
                )
            )  # fmt: skip
    return cached


def respell(word: list[int], chance: random.Random, likelihood: float) -> list[int]:
    """The same sounds, some written with the rarer character."""
    spelled = []
    for token in word:
        others = SOUNDS_LIKE.get(TOKENS[token], [])
        swap = others and chance.random() < likelihood
        spelled.append(IDS[chance.choice(others)] if swap else token)
    return spelled


def train_hotwords(
    model: Any, cached: list[Cached], *, seed: int, steps: int, rows: int, checkpoint: Path
) -> dict[str, torch.Tensor]:
    """Stage 2. `rows`: utterances a batch; they share one list of hotwords, as in use."""
    model.train()
    for part in (model.encoder, model.predictor, model.decoder):
        part.eval()
        part.requires_grad_(False)
    model.decoder.embed.requires_grad_(True)
    # Start from what the recogniser knows: a character looks like what it is recognised by.
    with torch.no_grad():
        output = model.decoder.output_layer.weight
        model.decoder.embed[0].weight.copy_(output / output.std())
        for common, rare in SOUNDS_LIKE.items():
            for other in rare:
                model.decoder.embed[0].weight[IDS[other]] = model.decoder.embed[0].weight[
                    IDS[common]
                ] + 0.3 * torch.randn(CHANNELS)
        # The layer that writes hotwords begins as the one that writes text.
        model.hotword_output_layer.weight.copy_(output)
    chance = random.Random(seed)

    def next_loss() -> tuple[torch.Tensor, float]:
        group = chance.sample(cached, rows)
        hotwords, labels = hotword_task(group, chance)
        return hotword_loss(model, group, hotwords, labels)

    parts = (model.bias_encoder, model.seaco_decoder, model.hotword_output_layer)
    parameters = [p for part in parts for p in part.parameters()]
    parameters += list(model.decoder.embed.parameters())
    return run("hotwords", model, parameters, steps, 2e-3, next_loss, checkpoint)


def hotword_task(
    group: list[Cached], chance: random.Random
) -> tuple[list[list[int]], list[list[int]]]:
    """A list of hotwords for a batch, and what is to be written at each token.

    Some words are said in the batch (spelled their own way), some are not: random ones, and ones
    that differ from a word said by one character.
    """
    hotwords: list[list[int]] = []
    labels = []
    alphabet = [IDS[char] for char in BASE]
    spelled_alphabet = lambda: respell([chance.choice(alphabet)], chance, 0.35)[0]  # noqa: E731
    for item in group:
        label = [NO_BIAS] * (len(item.tokens) + 1)
        if chance.random() < 0.6:
            length = min(len(item.tokens), chance.choice((2, 2, 2, 3, 3, 4, 5)))
            start = chance.randint(0, len(item.tokens) - length)
            word = respell(item.tokens[start : start + length], chance, 0.6)
            if tuple(word) not in _HELD_OUT:
                hotwords.append(word)
                label[start : start + length] = word
        labels.append(label)
    for word in [w for w in hotwords if chance.random() < 0.25]:
        near = list(word)
        near[chance.randrange(len(near))] = spelled_alphabet()
        if not _sounds_like_any(near, hotwords) and tuple(near) not in _HELD_OUT:
            hotwords.append(near)
    for _ in range(chance.choice((0, 1, 3, 8))):
        word = [spelled_alphabet() for _ in range(chance.choice((2, 3, 4)))]
        if not _sounds_like_any(word, hotwords) and tuple(word) not in _HELD_OUT:
            hotwords.append(word)
    # The same word may be said elsewhere in the batch: it is to be written there, too.
    for item, label in zip(group, labels, strict=True):
        plain = [_sound(token) for token in item.tokens]
        for word in hotwords:
            sounds = [_sound(token) for token in word]
            for start in range(len(plain) - len(word) + 1):
                free = all(mark == NO_BIAS for mark in label[start : start + len(word)])
                if free and plain[start : start + len(word)] == sounds:
                    label[start : start + len(word)] = word
    chance.shuffle(hotwords)
    return [*hotwords, [SOS]], labels


_HELD_OUT = {tuple(IDS[char] for char in word) for word in HOTWORDS}
_COMMON = {IDS[r]: IDS[c] for c, rare in SOUNDS_LIKE.items() for r in rare}


def _sound(token: int) -> int:
    """The base character with the same sound."""
    return _COMMON.get(token, token)


def _sounds_like_any(word: list[int], others: list[list[int]]) -> bool:
    sounds = [_sound(t) for t in word]
    return any([_sound(t) for t in other] == sounds for other in others)


def hotword_loss(
    model: Any, group: list[Cached], hotwords: list[list[int]], labels: list[list[int]]
) -> tuple[torch.Tensor, float]:
    """The loss of stage 2, and the share of hotword characters written right."""
    pad = torch.nn.utils.rnn.pad_sequence
    embeds = pad([c.embeds for c in group], batch_first=True)
    hidden = pad([c.hidden for c in group], batch_first=True)
    wanted = pad([torch.tensor(x) for x in labels], batch_first=True, padding_value=IGNORED)
    lengths = torch.tensor([len(c.embeds) for c in group])
    words = pad([torch.tensor(w) for w in hotwords], batch_first=True)
    selected = model._hotword_representation(words, torch.tensor([len(w) for w in hotwords]))
    context = selected[None].expand(len(group), -1, -1)
    count = torch.full((len(group),), len(hotwords))
    by_sound, _ = model.seaco_decoder(context, count, embeds, lengths)
    by_meaning, _ = model.seaco_decoder(context, count, hidden, lengths)
    logits = model.hotword_output_layer(by_sound + by_meaning)
    loss = functional.cross_entropy(logits.transpose(1, 2), wanted, ignore_index=IGNORED)
    biased = (wanted != IGNORED) & (wanted != NO_BIAS)
    right = (logits.argmax(-1) == wanted)[biased].float().mean().item() if biased.any() else 1.0
    return loss, right
