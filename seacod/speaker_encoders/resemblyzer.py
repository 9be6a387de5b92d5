"""The speaker encoder whose weights the package Resemblyzer carries: three LSTM layers over 40 mel
bands (Wan et al. 2018, https://arxiv.org/abs/1710.10467), trained on English speech.

Only its weights are used: the package needs librosa and webrtcvad, these lines need neither. What
they compute is what Resemblyzer 0.1.4 does (`tests/worker/test_speaker_models.py` compares the
features with librosa's).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seacod.speaker_encoders.base import SAMPLE_RATE, Embeddings, EncoderDeclaration, Wheel, Windows

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

_RELEASE = "0.1.4"
_WEIGHTS = "pretrained.pt"
_FFT = 400
_HOP = 160
_MELS = 40
_WIDTH = 256
_LAYERS = 3
# Quieter windows are made as loud as what the network was trained with (-30 dBFS).
_LOUDNESS = 10 ** (-30 / 20)


class ResemblyzerEncoder:
    """See `SpeakerEncoder`.

    Args:
        directory: has the weights.
        device: as PyTorch calls it.
        library: nothing of FunASR's is needed.

    Raises:
        Exception: whatever PyTorch raises for a file that has no such weights.
    """

    window_seconds = 1.6
    hop_seconds = 1.0
    likeness = 0.71

    def __init__(self, directory: Path, device: str, library: Callable[[str], Any]) -> None:
        import torch
        from torch import nn

        self._torch = torch
        saved = torch.load(directory / _WEIGHTS, map_location="cpu", weights_only=True)
        weights = saved["model_state"]
        self._device = device
        self._lstm = nn.LSTM(_MELS, _WIDTH, _LAYERS, batch_first=True)
        self._linear = nn.Linear(_WIDTH, _WIDTH)
        for name, part in (("lstm", self._lstm), ("linear", self._linear)):
            own = {k.removeprefix(f"{name}."): v for k, v in weights.items() if k.startswith(name)}
            part.load_state_dict(own)
            part.eval().to(device)
        self._filters = torch.from_numpy(mel_filters()).to(device)
        self._hann = torch.hann_window(_FFT, device=device)

    def embed(self, windows: Windows) -> Embeddings:
        import numpy as np

        torch = self._torch
        with torch.inference_mode():
            mels = self.features(torch.from_numpy(np.stack(windows)).to(self._device))
            _, (hidden, _) = self._lstm(mels)
            raw = torch.relu(self._linear(hidden[-1]))
            embeddings: Embeddings = torch.nn.functional.normalize(raw).cpu().numpy()
        return embeddings

    def features(self, windows: Tensor) -> Tensor:
        """Mel energies, not their logarithms, as the network was trained: (windows, frames, 40)."""
        torch = self._torch
        level = windows.square().mean(dim=1, keepdim=True).sqrt()
        louder = (_LOUDNESS / level.clamp(min=1e-6)).clamp(min=1.0)
        spectrum = torch.stft(
            windows * louder, _FFT, _HOP, window=self._hann, pad_mode="constant",
            return_complex=True,
        )  # fmt: skip
        mels: Tensor = (self._filters @ spectrum.abs().square()).transpose(1, 2)
        # The frame that lies on the end of the window is half padding.
        return mels[:, :-1]


def mel_filters() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Triangles of equal area on Slaney's mel scale (linear below 1 kHz, logarithmic above), as
    librosa's default: (40, 201)."""
    import numpy as np

    top = 15 + np.log(SAMPLE_RATE / 2 / 1000) / (np.log(6.4) / 27)
    mels = np.linspace(0, top, _MELS + 2)
    hertz = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(np.log(6.4) / 27 * (mels - 15)))
    bins = np.linspace(0, SAMPLE_RATE / 2, _FFT // 2 + 1)
    rising = (bins - hertz[:-2, None]) / (hertz[1:-1] - hertz[:-2])[:, None]
    falling = (hertz[2:, None] - bins) / (hertz[2:] - hertz[1:-1])[:, None]
    area = 2 / (hertz[2:] - hertz[:-2])[:, None]
    return np.asarray(np.clip(np.minimum(rising, falling), 0, None) * area, dtype=np.float32)


ENCODER = EncoderDeclaration(
    "resemblyzer",
    (
        "the weights in that package's wheel, Apache-2.0",
        "该软件包所带权重，Apache-2.0",
    ),
    20,
    (_WEIGHTS,),
    Wheel(
        "Resemblyzer",
        _RELEASE,
        {
            f"resemblyzer/{_WEIGHTS}": _WEIGHTS,
            f"Resemblyzer-{_RELEASE}.dist-info/LICENSE": "LICENSE",
        },
        _WEIGHTS,
        "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
    ),
    ResemblyzerEncoder,
)
