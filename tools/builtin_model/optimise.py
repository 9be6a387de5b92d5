"""The loop both stages of training run: AdamW, cosine, averaged weights, checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch


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
