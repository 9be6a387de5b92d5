"""The sound of one microphone, resampled and cut into pieces of speech as it comes.

Everything blocks; the session calls it on the thread `seacod-live`, which all microphones share.
"""

from __future__ import annotations

import av
import numpy as np

from seacod.asr.audio import SAMPLE_RATE, Samples
from seacod.asr.decoder.cutting import Cutter
from seacod.asr.decoder.voice import SileroVoice
from seacod.asr.piece import Piece
from seacod.errors import BadRequest

_LOWEST_RATE, _HIGHEST_RATE = 8_000, 192_000


class Microphone:
    """
    Args:
        rate: samples a second of what will be fed.
        max_piece_seconds: no piece is longer.

    Raises:
        BadRequest: no microphone has that rate.
    """

    # Before the first sound.
    voice: SileroVoice

    def __init__(self, rate: int, max_piece_seconds: float) -> None:
        if not _LOWEST_RATE <= rate <= _HIGHEST_RATE:
            raise BadRequest(
                f"sample_rate: {rate} is not between {_LOWEST_RATE} and {_HIGHEST_RATE}",
                f"sample_rate：{rate} 不在 {_LOWEST_RATE} 到 {_HIGHEST_RATE} 之间",
            )
        self.rate = rate
        self.cutter = Cutter(max_piece_seconds)
        self._resampler = None
        if rate != SAMPLE_RATE:
            self._resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)

    def feed(self, sound: bytes) -> list[Piece]:
        """More sound, 16-bit samples; the pieces that are finished."""
        return self._cut(self._at_our_rate(sound))

    def finish(self) -> list[Piece]:
        """Nothing more comes; the pieces that are left."""
        pieces = self._cut(_joined(self._resampler.resample(None))) if self._resampler else []
        pieces += self.cutter.feed(np.zeros(0, dtype=np.float32), self.voice.end())
        return pieces + self.cutter.finish()

    def _cut(self, samples: Samples) -> list[Piece]:
        return self.cutter.feed(samples, self.voice.feed(samples))

    def _at_our_rate(self, sound: bytes) -> Samples:
        samples = np.frombuffer(sound, dtype="<i2")
        if self._resampler is None:
            return samples.astype(np.float32) / 32768.0
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self.rate
        return _joined(self._resampler.resample(frame))


def _joined(frames: list[av.AudioFrame]) -> Samples:
    parts = [frame.to_ndarray().reshape(-1) for frame in frames]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)
