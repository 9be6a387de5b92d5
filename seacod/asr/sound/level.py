"""Samples at the right level: float files at the scale of integers, values that are none."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seacod.asr.sound.findings import Findings
from seacod.asr.sound.timeline import SAMPLE_RATE, Planes

# Louder than any float recording ought to be: nine of ten samples of one are below 1.
_TOO_LOUD = 4.0
_SCALES = ((40_000.0, 32_768.0), (np.inf, 2_147_483_648.0))
_WORTH_WHILE = SAMPLE_RATE


class Level:
    """Brings what a timeline gives to the right level, in blocks that are worth while.

    Args:
        findings: told what is odd.
    """

    def __init__(self, findings: Findings) -> None:
        self._scale = _Scale(findings)
        self._held: list[Planes] = []
        self._held_samples = 0

    def take(self, block: Planes, is_silence: bool) -> Iterator[Planes]:
        """The next sound, or silence that stands for what the file does not hold."""
        if not is_silence:
            self._held.append(block)
            self._held_samples += len(block)
            if self._held_samples >= _WORTH_WHILE:
                yield self._leveled()
            return
        if self._held:
            yield self._leveled()
        yield block

    def finish(self) -> Iterator[Planes]:
        """Nothing more comes."""
        if self._held:
            yield self._leveled()

    def _leveled(self) -> Planes:
        block = self._scale.apply(np.concatenate(self._held))
        self._held, self._held_samples = [], 0
        return block


class _Scale:
    """Brings samples to -1 to 1."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._divisor = 1.0
        self._is_known = False

    def apply(self, block: Planes) -> Planes:
        """The block at the right scale, without values that are no numbers: the model would fall
        over."""
        # The sum is finite only if everything is; the other way round it may overflow.
        if not np.isfinite(block.sum(dtype=np.float64)) and not np.isfinite(block).all():
            block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
        if not self._is_known:
            self._decide(block)
        if self._divisor != 1.0:
            block = block / np.float32(self._divisor)
        clipped: Planes = np.clip(block, -1.0, 1.0)
        return clipped

    def _decide(self, block: Planes) -> None:
        values = np.abs(block[block != 0])
        if len(values) < SAMPLE_RATE // 100:
            return
        self._is_known = True
        if float(np.quantile(values, 0.9)) <= _TOO_LOUD:
            return
        loudest = float(np.quantile(values, 0.999))
        self._divisor = next(divisor for below, divisor in _SCALES if loudest < below)
        bits = 16 if self._divisor == 32_768.0 else 32
        self._findings.note(
            "scale",
            f"the samples are floating-point numbers at the scale of {bits}-bit integers; they "
            "were scaled down",
            f"浮点采样值为 {bits} 位整数的量级，已按比例缩小",
        )
