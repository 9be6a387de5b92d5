"""Speaker models for the tests."""

from __future__ import annotations

from pathlib import Path

import torch


def stand_in(models_directory: Path) -> None:
    """Weights of the right shape and no meaning, where Resemblyzer's are expected. Real ones come
    from a package index, and not every run of the tests has one; what they are worth is measured
    by tools/measure_speakers.py and by tests/worker/test_speaker_models.py."""
    torch.manual_seed(5)
    lstm, linear = torch.nn.LSTM(40, 256, 3, batch_first=True), torch.nn.Linear(256, 256)
    state = {f"lstm.{name}": value for name, value in lstm.state_dict().items()}
    state |= {f"linear.{name}": value for name, value in linear.state_dict().items()}
    directory = models_directory / "resemblyzer"
    directory.mkdir(parents=True)
    torch.save({"model_state": state}, directory / "pretrained.pt")
