"""Our filter banks are Kaldi's."""

from __future__ import annotations

import numpy as np
import pytest
import sounds
import torch

from seacod.asr import audio
from seacod.asr.recognisers import funasr_library
from seacod.asr.recognisers.features import FilterBank


def kaldi(samples: torch.Tensor) -> torch.Tensor:
    return funasr_library.module("funasr.utils.fbank")._fbank_knf(
        samples[None], num_mel_bins=80, frame_length=25, frame_shift=10, dither=0.0,
        energy_floor=0.0, window_type="hamming", sample_frequency=16_000, snip_edges=True,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["speech", "noise", "silence", "constant", "short", "clipped"])
def test_they_are_the_same(name: str) -> None:
    speech = audio.decode(sounds.SPEECH, max_seconds=60)
    given = {
        "speech": speech,
        "noise": np.random.default_rng(5).normal(0, 0.1, 50_000),
        "silence": np.zeros(16_000),
        "constant": np.full(16_000, 0.5),
        "short": speech[8000:8400],
        "clipped": np.sign(speech),
    }[name]
    samples = torch.from_numpy(np.asarray(given, dtype=np.float32) * 32768)
    ours, theirs = FilterBank(80, 16_000)(samples), kaldi(samples)
    assert ours.shape == theirs.shape
    # Where there is no energy at all, rounding alone decides; nothing depends on it.
    loud = theirs > 0
    assert torch.allclose(ours[loud], theirs[loud], atol=2e-2, rtol=1e-3)
    assert (ours[loud] - theirs[loud]).abs().mean() < 1e-3 if loud.any() else True
    assert torch.isfinite(ours).all()
