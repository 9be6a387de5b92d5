"""Stage 2 of the training: hotwords.

Everything that listens is frozen and its outputs are computed once; the bias encoder and the SeACo
decoder learn to write a listed word where it is heard, with its own spelling, and `<no_bias>`
elsewhere.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from builtin_model.batches import IGNORED, Normalisation, batches, collate
from builtin_model.corpus import Utterance
from builtin_model.hotword_task import Lesson, Task, hotword_task
from builtin_model.listening import listen
from builtin_model.network import CHANNELS
from builtin_model.optimise import run
from builtin_model.vocabulary import IDS, NO_BIAS, SOUNDS_LIKE


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


def begin(model: Any) -> None:
    """Let the hotword branch start from what the recogniser knows: a character looks like what it
    is recognised by, a rarer one nearly like the one that sounds the same.
    """
    with torch.no_grad():
        output = model.decoder.output_layer.weight
        embedding = model.decoder.embed[0].weight
        embedding.copy_(output / output.std())
        for common, rare in SOUNDS_LIKE.items():
            for other in rare:
                embedding[IDS[other]] = embedding[IDS[common]] + 0.3 * torch.randn(CHANNELS)
        # The layer that writes hotwords begins as the one that writes text.
        model.hotword_output_layer.weight.copy_(output)


def train_hotwords(
    model: Any,
    cached: list[Cached],
    *,
    name: str,
    seed: int,
    steps: int,
    rows: int,
    checkpoint: Path,
    lesson: Lesson,
    focus: float,
) -> dict[str, torch.Tensor]:
    """One round. `rows`: utterances a batch; `focus`: see `hotword_task`."""
    model.train()
    for part in (model.encoder, model.predictor, model.decoder):
        part.eval()
        part.requires_grad_(False)
    model.decoder.embed.requires_grad_(True)
    chance = random.Random(seed)

    def next_loss() -> tuple[torch.Tensor, float]:
        group = chance.sample(cached, rows)
        texts = [item.tokens for item in group]
        task = hotword_task(texts, chance, lesson.offered, focus)
        loss, right = hotword_loss(model, group, task)
        lesson.learned(right)
        return loss, right

    parts = (model.bias_encoder, model.seaco_decoder, model.hotword_output_layer)
    parameters = [p for part in parts for p in part.parameters()]
    parameters += list(model.decoder.embed.parameters())
    return run(name, model, parameters, steps, 1.2e-3, next_loss, checkpoint)


def hotword_loss(model: Any, group: list[Cached], task: Task) -> tuple[torch.Tensor, float]:
    """The loss of stage 2, and the share of hotword characters written right.

    A character of a hotword counts twice as much as one without.
    """
    pad = torch.nn.utils.rnn.pad_sequence
    embeds = pad([c.embeds for c in group], batch_first=True)
    hidden = pad([c.hidden for c in group], batch_first=True)
    labels = [torch.tensor(label) for label in task.labels]
    wanted = pad(labels, batch_first=True, padding_value=IGNORED)
    lengths = torch.tensor([len(c.embeds) for c in group])
    words = pad([torch.tensor(word) for word in task.words], batch_first=True)
    encoded = model._hotword_representation(words, torch.tensor([len(w) for w in task.words]))
    context = encoded[pad([torch.tensor(chosen) for chosen in task.lists], batch_first=True)]
    count = torch.tensor([len(chosen) for chosen in task.lists])
    by_sound, _ = model.seaco_decoder(context, count, embeds, lengths)
    by_meaning, _ = model.seaco_decoder(context, count, hidden, lengths)
    logits = model.hotword_output_layer(by_sound + by_meaning)
    losses = functional.cross_entropy(
        logits.transpose(1, 2), wanted, ignore_index=IGNORED, reduction="none"
    )
    biased = (wanted != IGNORED) & (wanted != NO_BIAS)
    weights = (wanted != IGNORED).float() + biased.float()
    loss = (losses * weights).sum() / weights.sum()
    right = (logits.argmax(-1) == wanted)[biased].float().mean().item() if biased.any() else 1.0
    return loss, right
