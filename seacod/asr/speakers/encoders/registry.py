"""Which encoder is for which speaker model. Imports PyTorch only when one is loaded."""

from __future__ import annotations

from seacod.asr.speakers.encoders.base import SpeakerEncoder
from seacod.models.speakers import CAMPPLUS, SpeakerModel


def load(model: SpeakerModel, device: str) -> SpeakerEncoder:
    """An encoder on its device.

    Args:
        model: where its weights are.
        device: as PyTorch calls it.
    """
    if model.name == CAMPPLUS:
        from seacod.asr.speakers.encoders.campplus import CampplusEncoder

        return CampplusEncoder(model.directory, device)
    from seacod.asr.speakers.encoders.resemblyzer import ResemblyzerEncoder

    return ResemblyzerEncoder(model.directory, device)
