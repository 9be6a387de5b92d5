"""What the samples themselves tell: float files at the scale of integers, values that are none, and
stretches without any signal that break off in the middle of sound.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seacod.asr.sound.findings import Findings
from seacod.asr.sound.timeline import SAMPLE_RATE, Planes

# Louder than any float recording ought to be: nine of ten samples of one are below 1.
_TOO_LOUD = 4.0
_SCALES = ((40_000.0, 32_768.0), (np.inf, 2_147_483_648.0))
_HOP = SAMPLE_RATE // 100
_WORTH_WHILE = SAMPLE_RATE
_NOTHING_SECONDS, _SHORTEST_SECONDS = 0.5, 0.1
# Sound that was faded out, or made by a program, goes below this before it ends (-80 dB, for a
# short stretch -60); what breaks off does not. With only one side to look at, it has to be loud.
_FADED, _FADED_SHORT, _LOUD = 1e-4, 1e-3, 0.02


class Level:
    """Brings what a timeline gives to the right level, in blocks that are worth while.

    Args:
        findings: told what is odd.
        is_plain: zeros in the file are zeros here.
    """

    def __init__(self, findings: Findings, *, is_plain: bool) -> None:
        self._scale = _Scale(findings)
        self._nothing = _Nothing(findings) if is_plain else None
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
        if self._nothing is not None:
            self._nothing.gap(len(block))
        yield block

    def finish(self) -> Iterator[Planes]:
        """Nothing more comes."""
        if self._held:
            yield self._leveled()
        if self._nothing is not None:
            self._nothing.finish()

    def _leveled(self) -> Planes:
        block = self._scale.apply(np.concatenate(self._held))
        self._held, self._held_samples = [], 0
        if self._nothing is not None:
            self._nothing.look(block)
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


class _Nothing:
    """Finds stretches of plain samples that hold no signal at all and break off: `zeroed`."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._rest: Planes | None = None
        self._hops = 0
        # The last two hops with a signal; the one at an edge is half empty.
        self._recent: list[float] = []
        # The flat stretch now, in hops, and how loud it was before; None at the beginning.
        self._since: int | None = None
        self._before: float | None = None
        # A flat stretch that has ended, until it is known what follows.
        self._ended: tuple[int, int] | None = None

    def look(self, block: Planes) -> None:
        """Take sound that was decoded."""
        joined = block if self._rest is None else np.concatenate((self._rest, block))
        count = len(joined) // _HOP
        self._rest = joined[count * _HOP :].copy()
        if not count:
            return
        hops = joined[: count * _HOP].reshape(count, _HOP, -1)
        spread, mean = np.ptp(hops, axis=1), hops.mean(axis=1)
        # Zeroed bytes are full scale in some ways of writing samples.
        flat = ((spread == 0.0) | ((spread < 1e-3) & (np.abs(mean) > 0.5))).all(axis=1)
        level = np.sqrt(((hops - mean[:, None]) ** 2).mean(axis=1)).max(axis=1)
        if not flat.any() and self._since is None and self._ended is None:
            self._recent = [*self._recent, *level[-2:].tolist()][-2:]
            self._hops += count
            return
        for is_flat, loud in zip(flat.tolist(), level.tolist(), strict=True):
            self._step(is_flat, loud)
            self._hops += 1

    def gap(self, samples: int) -> None:
        """There is silence that we put in; it has been told already."""
        self._hops += samples // _HOP
        self._since, self._ended, self._recent = None, None, []

    def finish(self) -> None:
        """Nothing more comes. Many recordings end with a moment of nothing, cut or made so."""
        if self._since is None or self._before is None or self._before <= _LOUD:
            return
        if (self._hops - self._since) * _HOP >= _NOTHING_SECONDS * SAMPLE_RATE:
            self._tell(self._since, self._hops)

    def _step(self, is_flat: bool, level: float) -> None:
        if is_flat:
            if self._since is None:
                self._since = self._hops
                self._before = self._recent[0] if len(self._recent) == 2 else None
            return
        if self._since is not None:
            self._ended = (self._since, self._hops)
            self._since, self._recent = None, []
        self._recent = [*self._recent, level][-2:]
        if self._ended is not None and len(self._recent) == 2:
            (start, end), self._ended = self._ended, None
            before = self._before
            seconds = (end - start) * _HOP / SAMPLE_RATE
            faded = _FADED if seconds >= _NOTHING_SECONDS else _FADED_SHORT
            if level > _LOUD if before is None else min(level, before) > faded:
                self._tell(start, end)

    def _tell(self, start: int, end: int) -> None:
        second = _HOP / SAMPLE_RATE
        if (end - start) * second >= _SHORTEST_SECONDS:
            self._findings.stretch("zeroed", start * second, end * second)
