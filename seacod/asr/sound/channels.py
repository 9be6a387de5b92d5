"""Several channels, heard as they were recorded: one voice from all of them, or a voice in each.

A mix of two microphones loses whoever speaks less loud, and one of a channel and its inverse is
silence. So some seconds are looked at before they are given on. Pure arithmetic; keeps no more than
those seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from seacod.asr.sound.findings import Findings
from seacod.asr.sound.timeline import SAMPLE_RATE, Planes

ChannelMode = Literal["auto", "mix", "split"]
CHANNEL_MODES: tuple[ChannelMode, ...] = ("auto", "mix", "split")
MAX_CHANNELS = 8
Samples = npt.NDArray[np.float32]

# What is looked at before the first decision, and before each later one; of two channels, less of
# more.
_FIRST_SECONDS, _NEXT_SECONDS = 120, 30
_FRAME = SAMPLE_RATE // 50
_FLOOR = 1e-9
# Frames this far below the loudest ones of a stretch are pauses.
_PAUSE_DB, _SILENT_DB = 40.0, -65.0
# A frame belongs to a channel that is so much louder than every other.
_OWNS_DB = 10.0
# Two voices: each owns so much of what is said, and their loudness does not go together. The same
# voice on two channels: correlations of 0.9 and more; two people on the phone: 0.3 and less.
_OWNED_SHARE, _OWNED_FRAMES, _TOGETHER = 0.05, 25, 0.6
# A mix with so little of its channels' energy has been canceled out (1 where they are unrelated).
_CANCELED = 0.3
_NEGLIGIBLE_DB = 20.0
# Surround sound, by the names of its channels: the middle is where people speak.
_WEIGHTS = {"FC": 1.0, "FL": 0.7, "FR": 0.7, "LFE": 0.0, "LFE2": 0.0}
_OTHER_WEIGHT = 0.5
# A neighbour's voice in a channel: as loud there as it is quiet here, at most 10 ms apart.
_BLEED_FRAME, _BLEED_LAG = SAMPLE_RATE // 10, SAMPLE_RATE // 100
_BLEED_DB, _BLEED_LIKENESS = 6.0, 0.5


@dataclass(frozen=True, slots=True)
class LaneStretch:
    """Sound for one lane: where it begins, in samples of the recording, and what it is.

    Lane 0 is the recording as a whole, the others are its channels from 1.
    """

    lane: int
    start: int
    samples: Samples


class Channels:
    """Takes all channels, gives what is to be heard.

    Args:
        mode: `mix` hears one voice, `split` each channel, `auto` splits where there are two voices.
        names: of the channels, as ffmpeg names them.
        findings: told what was done.

    Raises nothing; more than `MAX_CHANNELS` are always mixed, and that is said.
    """

    def __init__(self, mode: ChannelMode, names: list[str], findings: Findings) -> None:
        self._count = len(names)
        self._findings = findings
        self._is_auto = mode == "auto"
        self._is_split = mode == "split" and 1 < self._count <= MAX_CHANNELS
        self._weights = _weights(names)
        self._is_surround = bool(np.ptp(self._weights))
        self._held: list[Planes] = []
        self._held_samples = 0
        self._start = 0
        self._wanted = self._window(_FIRST_SECONDS)
        self.labels = ["", *_labels(self._count)]
        if self._count > MAX_CHANNELS and mode != "mix":
            self._tell_too_many()

    def feed(self, block: Planes) -> list[LaneStretch]:
        """Take the next samples; gives what is decided."""
        if self._count == 1:
            self._start += len(block)
            return [LaneStretch(0, self._start - len(block), block[:, 0])]
        self._held.append(block)
        self._held_samples += len(block)
        return self._decide() if self._held_samples >= self._wanted else []

    def finish(self) -> list[LaneStretch]:
        """Nothing more comes."""
        return self._decide() if self._held_samples else []

    def _window(self, seconds: float) -> int:
        return int(min(seconds, seconds * 2 / max(2, self._count)) * SAMPLE_RATE)

    def _decide(self) -> list[LaneStretch]:
        sound = np.concatenate(self._held)
        self._held, self._held_samples = [], 0
        self._wanted = self._window(_NEXT_SECONDS)
        start, self._start = self._start, self._start + len(sound)
        seconds = (start / SAMPLE_RATE, self._start / SAMPLE_RATE)
        loudness = _loudness(sound)
        if not self._is_split and loudness is not None and _are_voices(loudness):
            if self._is_auto and not self._is_surround and self._count <= MAX_CHANNELS:
                self._is_split = True
                self._tell_split(seconds[0])
            else:
                self._findings.stretch("mixed", *seconds)
        if not self._is_split:
            return [LaneStretch(0, start, self._mixed(sound, loudness, seconds))]
        quieted = _without_bleed(sound) if self._count == 2 else sound
        return [
            LaneStretch(number + 1, start, np.ascontiguousarray(quieted[:, number]))
            for number in range(self._count)
        ]

    def _mixed(
        self, sound: Planes, loudness: npt.NDArray[np.float64] | None,
        seconds: tuple[float, float],
    ) -> Samples:  # fmt: skip
        mix: Samples = (sound @ self._weights).astype(np.float32)
        if loudness is None:
            return mix
        energy = np.einsum("ij,ij->j", sound, sound, dtype=np.float64) / len(sound)
        loudest = int(energy.argmax())
        others = np.delete(10 * np.log10(energy + _FLOOR), loudest)
        expected = float((self._weights.astype(np.float64) ** 2 * energy).sum())
        is_canceled = float(np.dot(mix, mix)) / len(mix) < _CANCELED * expected
        is_alone = others.max() < 10 * np.log10(energy[loudest] + _FLOOR) - _NEGLIGIBLE_DB
        if is_canceled:
            self._findings.stretch("channel_taken", *seconds)
        if is_canceled or is_alone:
            return np.ascontiguousarray(sound[:, loudest])
        return mix

    def _tell_too_many(self) -> None:
        self._findings.note(
            "channels_mixed",
            f"the recording has {self._count} channels, which were mixed: at most {MAX_CHANNELS} "
            "can be heard each by itself; send those that matter as a file of their own",
            f"录音有 {self._count} 个声道，已合并识别：最多可分别识别 {MAX_CHANNELS} 个声道，"
            "请将需要的声道单独导出后上传",
        )

    def _tell_split(self, start: float) -> None:
        self._findings.note(
            "channels_split",
            f"the channels hold different voices (noticed at {start:.0f} s): each was heard by "
            "itself; channels=mix hears them together",
            f"各声道为不同的声音（自 {start:.0f} 秒起）：已分声道识别；channels=mix 可合并识别",
            start,
        )


def _labels(count: int) -> list[str]:
    return ["left", "right"] if count == 2 else [f"channel {n}" for n in range(1, count + 1)]


def _weights(names: list[str]) -> Samples:
    is_surround = len(names) > 2 and "FC" in names and any(name.startswith("LFE") for name in names)
    given = [_WEIGHTS.get(name, _OTHER_WEIGHT) if is_surround else 1.0 for name in names]
    weights: Samples = np.array(given, dtype=np.float32)
    weights /= weights.sum()
    return weights


def _loudness(sound: Planes) -> npt.NDArray[np.float64] | None:
    """Level of each channel in each frame in which somebody speaks, in dB, shape (frames,
    channels); None where nobody does."""
    count = len(sound) // _FRAME
    if not count:
        return None
    frames = sound[: count * _FRAME].reshape(count, _FRAME, -1)
    energy = np.einsum("ijk,ijk->ik", frames, frames) / _FRAME
    levels = 10 * np.log10(energy.astype(np.float64) + _FLOOR)
    loudest = levels.max(axis=1)
    top = float(np.quantile(loudest, 0.98))
    spoken = levels[loudest > max(top - _PAUSE_DB, _SILENT_DB)]
    return np.maximum(spoken, top - _PAUSE_DB - 10) if len(spoken) else None


def _are_voices(loudness: npt.NDArray[np.float64]) -> bool:
    """Whether at least two channels hold voices of their own."""
    ordered = np.sort(loudness, axis=1)
    owners = loudness.argmax(axis=1)[ordered[:, -1] - ordered[:, -2] > _OWNS_DB]
    owned = np.bincount(owners, minlength=loudness.shape[1])
    first, second = np.argsort(owned)[::-1][:2]
    if owned[second] < max(_OWNED_FRAMES, _OWNED_SHARE * len(loudness)):
        return False
    pair = loudness[:, [first, second]]
    if (pair.std(axis=0) == 0).any():
        return False
    return bool(np.corrcoef(pair.T)[0, 1] < _TOGETHER)


def _without_bleed(sound: Planes) -> Planes:
    """Two channels, each without what is only the other one's voice, heard from afar."""
    count = len(sound) // _BLEED_FRAME
    frames = sound[: count * _BLEED_FRAME].reshape(count, _BLEED_FRAME, 2)
    energy = (frames.astype(np.float64) ** 2).sum(axis=1) + _FLOOR
    ratio = 10 * np.log10(energy[:, 0] / energy[:, 1])
    doubtful = np.flatnonzero(np.abs(ratio) > _BLEED_DB)
    gain = np.ones((len(sound), 2), dtype=np.float32)
    for at in range(0, len(doubtful), 256):
        chosen = doubtful[at : at + 256]
        spectra = np.fft.rfft(frames[chosen], 2 * _BLEED_FRAME, axis=1)
        both = np.fft.irfft(spectra[:, :, 0] * spectra[:, :, 1].conj(), axis=1)
        near = np.concatenate((both[:, : _BLEED_LAG + 1], both[:, -_BLEED_LAG:]), axis=1)
        likeness = np.abs(near).max(axis=1) / np.sqrt(energy[chosen].prod(axis=1))
        for index in chosen[likeness > _BLEED_LIKENESS]:
            quieter = 0 if ratio[index] < 0 else 1
            gain[index * _BLEED_FRAME : (index + 1) * _BLEED_FRAME, quieter] = 0.0
    return sound * gain
