"""CAM++ (Wang et al. 2023, https://arxiv.org/abs/2303.00332), trained on 200,000 Chinese speakers:
FunASR's network and features, with the weights that ModelScope has.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from seacod.speaker_encoders.base import Embeddings, EncoderDeclaration, Hub, Windows

_CONFIGURATION, _WEIGHTS = "config.yaml", "campplus_cn_common.bin"


class CampplusEncoder:
    """See `SpeakerEncoder`. Windows and likeness are those of FunASR's own clustering (1.4.16).

    Args:
        directory: as it was fetched.
        device: as PyTorch calls it.
        library: imports one of FunASR's modules.

    Raises:
        Exception: whatever FunASR and PyTorch raise for files that are no such model.
    """

    window_seconds = 1.5
    hop_seconds = 0.75
    likeness = 0.5

    def __init__(self, directory: Path, device: str, library: Callable[[str], Any]) -> None:
        import torch
        import yaml

        network = library("funasr.models.campplus.model")
        configuration = yaml.safe_load((directory / _CONFIGURATION).read_text("utf-8"))
        weights = torch.load(directory / _WEIGHTS, map_location="cpu", weights_only=True, mmap=True)
        self._torch = torch
        self._features = network.extract_feature
        self._device = device
        self._model = network.CAMPPlus(**configuration.get("model_conf", {}))
        self._model.load_state_dict(weights)
        self._model.eval().to(device)

    def embed(self, windows: Windows) -> Embeddings:
        import numpy as np

        torch = self._torch
        with torch.inference_mode():
            sound = [torch.from_numpy(np.ascontiguousarray(window)) for window in windows]
            features, _, _ = self._features(sound)
            raw = self._model(features.to(self._device, torch.float32))
            embeddings: Embeddings = torch.nn.functional.normalize(raw).cpu().numpy()
        return embeddings


ENCODER = EncoderDeclaration(
    "campplus",
    ("CAM++ from ModelScope", "ModelScope 上的 CAM++"),
    10,
    (_CONFIGURATION, _WEIGHTS),
    Hub("iic/speech_campplus_sv_zh-cn_16k-common"),
    CampplusEncoder,
)
