"""Loads a speaker encoder; what there may be is in `seacod/speaker_encoders/`."""

from __future__ import annotations

from seacod.asr.recognisers import funasr_library
from seacod.models.speakers import SpeakerModel
from seacod.speaker_encoders.base import SpeakerEncoder


def load(model: SpeakerModel, device: str) -> SpeakerEncoder:
    """An encoder on its device.

    Args:
        model: where its weights are.
        device: as PyTorch calls it.
    """
    return model.encoder.load(model.directory, device, funasr_library.module)
