"""Stage 1 of the training: encoder, predictor and decoder together.

The predictor is told when each character begins and ends (espeak-ng knows), so it need not find
out by itself; that is why the whole takes minutes and why the timestamps are right.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from builtin_model.batches import IGNORED, Batch, Normalisation, batches, collate
from builtin_model.corpus import Utterance
from builtin_model.network import integrate, rates
from builtin_model.optimise import run


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


def train_listening(
    model: Any, utterances: list[Utterance], norm: Normalisation, *, seed: int, steps: int,
    frames: int, checkpoint: Path, name: str, peak_rate: float = 2e-3, warp: bool = False,
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
    return run(name, model, parameters, steps, peak_rate, next_loss, checkpoint)
