"""The one entrance to telling speakers apart: owns the encoder and the thread it runs on
(`seacod-speakers`).

The encoder is loaded with the first request that wants it; whoever never asks pays nothing. Lives
on the event loop.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from seacod.asr.speakers import encoders
from seacod.asr.speakers.track import SpeakerTrack
from seacod.asr.speakers.wanted import SpeakerRange
from seacod.config.schema import Settings
from seacod.models import speakers
from seacod.paths import Paths
from seacod.speaker_encoders.base import SpeakerEncoder

log = structlog.get_logger(__name__)


class Speakers:
    """Shared by all requests.

    Args:
        settings: `asr.speaker_model` and where models lie.
        device: where the model is, and the encoder is to be.
    """

    def __init__(self, settings: Settings, device: Callable[[], str]) -> None:
        self._wanted = settings.asr.speaker_model
        self._models = Paths.resolve(settings).models
        self._device = device
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="seacod-speakers")
        self._encoder: SpeakerEncoder | None = None

    def check(self) -> None:
        """Whether there is an encoder.

        Raises:
            NoSpeakerModel: there is none on this machine, or it is switched off.
        """
        speakers.resolve(self._wanted, self._models)

    def begin(self, wanted: SpeakerRange) -> SpeakerTrack:
        """For one recording.

        Raises:
            NoSpeakerModel: see `check`.
        """
        self.check()
        return SpeakerTrack(wanted, self._loaded, self._thread)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _loaded(self) -> SpeakerEncoder:
        """On the thread: the encoder."""
        if self._encoder is None:
            model = speakers.resolve(self._wanted, self._models)
            self._encoder = encoders.load(model, self._device())
            log.info("speaker_encoder_loaded", model=model.name, device=self._device())
        return self._encoder
