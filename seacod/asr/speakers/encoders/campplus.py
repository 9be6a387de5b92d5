"""CAM++ (Wang et al. 2023, https://arxiv.org/abs/2303.00332), trained on 200,000 Chinese speakers:
FunASR's network and features, with the weights that ModelScope has.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from seacod.asr.audio import Samples
from seacod.asr.recognisers import funasr_library
from seacod.asr.speakers.encoders.base import Embeddings
from seacod.models.speakers import CAMPPLUS, CAMPPLUS_WEIGHTS


class CampplusEncoder:
    """See `SpeakerEncoder`. Windows and likeness are those of FunASR's own clustering (1.4.16).

    Args:
        directory: as it was fetched.
        device: as PyTorch calls it.

    Raises:
        Exception: whatever FunASR and PyTorch raise for files that are no such model.
    """

    name = CAMPPLUS
    window_seconds = 1.5
    hop_seconds = 0.75
    likeness = 0.5

    def __init__(self, directory: Path, device: str) -> None:
        import torch

        network = funasr_library.module("funasr.models.campplus.model")
        configuration = yaml.safe_load((directory / "config.yaml").read_text("utf-8"))
        weights = torch.load(
            directory / CAMPPLUS_WEIGHTS, map_location="cpu", weights_only=True, mmap=True
        )
        self._torch = torch
        self._features = network.extract_feature
        self._device = device
        self._model = network.CAMPPlus(**configuration.get("model_conf", {}))
        self._model.load_state_dict(weights)
        self._model.eval().to(device)

    def embed(self, windows: Sequence[Samples]) -> Embeddings:
        torch = self._torch
        with torch.inference_mode():
            sound = [torch.from_numpy(np.ascontiguousarray(window)) for window in windows]
            features, _, _ = self._features(sound)
            raw = self._model(features.to(self._device, torch.float32))
            embeddings: Embeddings = torch.nn.functional.normalize(raw).cpu().numpy()
        return embeddings
