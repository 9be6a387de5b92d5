"""Stretches of plain samples that hold nothing at all, and whether data was lost there (`zeroed`).

Digital silence alone is no damage: speech made by machines, a noise gate and an editor leave it
between words. What tells damage is how the sound ends and begins again, sample by sample and before
any resampling: a voice dies away and sets in, lost data breaks off anywhere in a wave. And in a
recording with noise in all its pauses, one stretch without any is not its own.

`Decoding` gives it every frame of files in which zeros are zeros; it never changes the sound.
Bounded: 0.2 s of sound and so many stretches are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seacod.asr.sound.findings import Findings

# float32 as in the file, shape (samples, channels).
_Samples = npt.NDArray[np.float32]

_SHORTEST_SECONDS = 0.1
_BLOCK_SECONDS = 1.0
# What is looked at beside a stretch: its edge, the sound that edge belongs to, what that was in.
_EDGE, _NEAR, _AROUND = 0.001, 0.020, 0.200
# An edge of fewer steps of 16 bits is what rounding leaves of a fade.
_SMALLEST = 3 / 32_768
# How abrupt a stretch is (see `_Edge.abruptness`, the two sides together), found with 6,000 pauses
# of synthetic, gated, joined and faded recordings (0.53 at most in 99 of 100 of them) and with
# data zeroed at random. With one side to look at, and for one that is far longer than any other
# pause of the recording.
_ABRUPT, _ABRUPT_ALONE, _ABRUPT_LONG = 0.6, 0.75, 0.42
_LONG_ALONE, _LONG, _LONGER = 1.0, 1.5, 2.5
# A recording has noise of its own where so much more of its pauses hold some than hold none.
_FEW, _NOISY_TIMES, _NOISY_SECONDS = 3, 4.0, 0.3
# Pauses are below this share of what is loud (-30 dB); what breaks off keeps its level.
_QUIET, _KEPT = 0.03, 0.25
# No silence is so far from the middle: zeroed bytes are, in some ways of writing samples.
_OFF_THE_MIDDLE = 0.1
_HOP_SECONDS = 0.01
_LOUD_QUANTILE = 0.9
# Levels are counted in steps of a decibel, from -140.
_FLOOR_DB, _LEVELS = -140.0, 340
_MOST = 4096
_SCALES = {"u8": 128.0, "s16": 32_768.0, "s32": 2_147_483_648.0, "s64": 2.0**63}


@dataclass(frozen=True, slots=True)
class _Edge:
    """Sound beside a stretch, as amplitudes of its loudest channel.

    Args:
        edge, near, around: of the nearest 1, 20 and 200 ms.
        jump: from nothing to the first sample, beside the greatest step in the 2 ms after it.
    """

    edge: float
    near: float
    around: float
    jump: float

    def abruptness(self, loud: float) -> float:
        """0 where sound died away; 1 and more where it broke off at its loudest.

        Args:
            loud: amplitude of what is loud in the recording.
        """
        if self.edge < _SMALLEST:
            return 0.0
        swell = self.near / self.around
        jump = min(3.0, max(0.3, self.jump))
        return float((self.edge / loud) ** 0.5 * swell * jump**0.3)

    @property
    def is_kept(self) -> bool:
        """It is as loud as before until its last sample."""
        return self.edge >= max(_SMALLEST, _KEPT * self.near)


@dataclass(frozen=True, slots=True)
class _QuietStretch:
    start: float
    end: float
    before: _Edge | None
    after: _Edge | None
    is_off: bool

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @property
    def edges(self) -> list[_Edge]:
        return [edge for edge in (self.before, self.after) if edge is not None]


class Breaks:
    """Takes the frames of a track, tells at the end where data was probably lost.

    Args:
        findings: told of it.
    """

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._rate = 0
        self._held: list[_Samples] = []
        self._held_samples = 0
        # Where the next sample belongs, in seconds.
        self._at = 0.0
        # Equal samples at the end of a block, too few so far to be a stretch.
        self._rest: _Samples | None = None
        # Sound since the last stretch, as much as is looked at.
        self._recent: _Samples | None = None
        # The stretch that goes on: its beginning, its value, what was before.
        self._open: tuple[float, _Samples, _Edge | None] | None = None
        # One that ended, until there is enough sound behind it: beginning, end, value, before.
        self._ended: tuple[float, float, _Samples, _Edge | None] | None = None
        self._stretches: list[_QuietStretch] = []
        self._count, self._seconds = 0, 0.0
        # The longest two between sounds.
        self._longest = [0.0, 0.0]
        self._levels = np.zeros(_LEVELS, dtype=np.int64)

    def take(self, frame: Any, end_seconds: float) -> None:
        """The next frame.

        Args:
            frame: PyAV's, as it was decoded.
            end_seconds: where it ends on the timeline.
        """
        # PyAV's planar frames hold eight channels at most.
        if not frame.samples or (frame.format.is_planar and frame.layout.nb_channels > 8):
            return
        start = end_seconds - frame.samples / frame.sample_rate
        held_until = self._at + (self._held_samples / self._rate if self._rate else 0.0)
        if self._rate != frame.sample_rate or abs(start - held_until) > _SHORTEST_SECONDS:
            self._begin(frame.sample_rate, start)
        samples = _samples(frame)
        if self._held and samples.shape[1] != self._held[0].shape[1]:
            self._begin(frame.sample_rate, start)
        self._held.append(samples)
        self._held_samples += len(samples)
        if self._held_samples >= _BLOCK_SECONDS * self._rate:
            self._look()

    def finish(self) -> None:
        """Nothing more comes."""
        self._begin(self._rate, self._at)
        self._judge()

    def _begin(self, rate: int, at: float) -> None:
        """What comes has nothing to do with what was; a silence between was told by others."""
        if self._held:
            self._look()
        if self._rest is not None:
            rest, self._rest = self._rest, None
            self._sound(rest)
        if self._open is not None:
            self._close()
        self._settle(0)
        self._recent = None
        self._rate, self._at = rate, at

    def _look(self) -> None:
        """Divide what is held into sound and stretches of equal samples."""
        block = np.concatenate(self._held)
        self._held, self._held_samples = [], 0
        if self._rest is not None:
            block, self._rest = np.concatenate((self._rest, block)), None
        if self._open is not None:
            equal = (block == self._open[1]).all(axis=1)
            count = len(block) if equal.all() else int(equal.argmin())
            self._at += count / self._rate
            block = block[count:]
            if not len(block):
                return
            self._close()
        same = np.concatenate(([False], (block[1:] == block[:-1]).all(axis=1), [False]))
        steps = np.diff(same.astype(np.int8))
        starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1) + 1
        shortest = int(_SHORTEST_SECONDS * self._rate)
        taken = 0
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            is_last = end == len(block)
            if end - start < shortest and not is_last:
                continue
            self._sound(block[taken:start])
            if end - start < shortest:
                self._rest = block[start:].copy()
                return
            self._open_at(block[start].copy())
            self._at += (end - start) / self._rate
            taken = end
            if is_last:
                return
            self._close()
        self._sound(block[taken:])

    def _open_at(self, value: _Samples) -> None:
        self._settle(0)
        before = None if self._recent is None else _edge(self._recent[::-1], value, self._rate)
        self._open = (self._at, value, before)
        self._recent = None

    def _close(self) -> None:
        assert self._open is not None
        start, value, before = self._open
        self._open = None
        self._ended = (start, self._at, value, before)

    def _sound(self, block: _Samples) -> None:
        if not len(block):
            return
        self._at += len(block) / self._rate
        self._count_levels(block)
        around = int(_AROUND * self._rate)
        recent = block if self._recent is None else np.concatenate((self._recent, block))
        self._recent = recent
        self._settle(around)
        self._recent = recent[-around:].copy()

    def _settle(self, needed: int) -> None:
        """A stretch that ended is complete when so many samples follow it."""
        behind = self._recent
        if self._ended is None or (behind is None and needed):
            return
        if behind is not None and len(behind) < needed:
            return
        start, end, value, before = self._ended
        self._ended = None
        after = None if behind is None else _edge(behind, value, self._rate)
        is_off = bool((np.abs(value) > _OFF_THE_MIDDLE).all())
        one = _QuietStretch(start, end, before, after, is_off)
        self._count += 1
        self._seconds += one.seconds
        if len(one.edges) == 2:
            self._longest = sorted((*self._longest, one.seconds))[1:]
        self._stretches.append(one)
        if len(self._stretches) >= _MOST:
            self._judge()

    def _count_levels(self, block: _Samples) -> None:
        hop = max(1, int(_HOP_SECONDS * self._rate))
        count = len(block) // hop
        hops = block[: count * hop].reshape(count, hop, block.shape[1])
        levels = hops.std(axis=1).max(axis=1)
        levels = levels[levels > 0]
        if len(levels):
            steps = (20 * np.log10(levels) - _FLOOR_DB).astype(np.int64)
            self._levels += np.bincount(np.clip(steps, 0, _LEVELS - 1), minlength=_LEVELS)

    def _judge(self) -> None:
        """Tell those that break off, by all that is known of the recording so far."""
        stretches, self._stretches = self._stretches, []
        counted = np.cumsum(self._levels)
        if not stretches:
            return
        loudest = int(np.searchsorted(counted, _LOUD_QUANTILE * counted[-1]))
        loud = 10 ** ((loudest + 0.5 + _FLOOR_DB) / 20)
        quiet = loudest + int(20 * np.log10(_QUIET))
        noisy_seconds = _HOP_SECONDS * float(counted[quiet]) if quiet >= 0 else 0.0
        for one in stretches:
            if self._is_broken(one, loud, noisy_seconds):
                self._findings.stretch("zeroed", one.start, one.end)

    def _is_broken(self, one: _QuietStretch, loud: float, noisy_seconds: float) -> bool:
        if one.is_off:
            return True
        edges = one.edges
        abrupt = sorted(edge.abruptness(loud) for edge in edges)
        if len(edges) < 2:
            # Silence before and behind a recording is usual.
            return bool(edges) and one.seconds >= _LONG_ALONE and abrupt[-1] > _ABRUPT_ALONE
        others = self._seconds - one.seconds
        has_noise = noisy_seconds >= _NOISY_TIMES * others + _NOISY_SECONDS
        if self._count - 1 <= _FEW and has_noise and all(edge.is_kept for edge in edges):
            return True
        together = abrupt[1] + abrupt[0] / 2
        second, first = self._longest
        longest = second if one.seconds >= first else first
        is_long = 0 < _LONGER * longest < one.seconds and one.seconds >= _LONG
        return together > (_ABRUPT_LONG if is_long else _ABRUPT)


def _samples(frame: Any) -> _Samples:
    """A frame's samples, whole numbers as -1 to 1."""
    name = frame.format.name.removesuffix("p")
    values = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, frame.layout.nb_channels)
    if (scale := _SCALES.get(name)) is None:
        samples: _Samples = values.astype(np.float32)
        return np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    middle = 128 if name == "u8" else 0
    scaled: _Samples = ((values.astype(np.float64) - middle) / scale).astype(np.float32)
    return scaled


def _edge(sound: _Samples, value: _Samples, rate: int) -> _Edge | None:
    """How sound that begins, or with time reversed ends, beside a stretch does so."""
    if len(sound) < 2 * _EDGE * rate:
        return None
    off = (sound[: int(_AROUND * rate)] - value).astype(np.float64)
    wave = off[:, int((off[: int(_NEAR * rate)] ** 2).sum(axis=0).argmax())]

    def amplitude(seconds: float) -> float:
        return float(np.sqrt((wave[: max(1, int(seconds * rate))] ** 2).mean()))

    steps = np.abs(np.diff(wave[: int(2 * _EDGE * rate) + 2]))
    return _Edge(
        amplitude(_EDGE), amplitude(_NEAR), max(amplitude(_AROUND), 1e-9),
        float(abs(wave[0]) / max(float(steps.max()), 1e-9)),
    )  # fmt: skip
