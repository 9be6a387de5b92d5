"""Whether a GPU's memory runs full, whose it is, and what is to be done: arithmetic, no driver.

Readings above the limit count; after so many in a row the watch climbs one step: say it, ask the
worker to release its cache, replace the worker. For memory of others there is only an alert. Below
the limit by a margin (hysteresis), for as many readings, the watch climbs down.

The practice this began from: three readings in a row above 11.5 GB of 12.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from seacod.accelerators.base import Gpu
from seacod.config.gpu import GpuSettings


class GpuStep(enum.Enum):
    """How far the watch over one GPU has climbed."""

    CALM = "calm"
    FOREIGN = "foreign"
    """Too full, and not by us: nothing of ours is restarted for that."""
    RELEASED = "released"
    """Too full by us: the worker was asked to release its cache."""
    REPLACED = "replaced"
    """That did not help: the worker is replaced."""


# What can follow what; every move is logged with its figures.
STEPS: dict[GpuStep, frozenset[GpuStep]] = {
    GpuStep.CALM: frozenset({GpuStep.FOREIGN, GpuStep.RELEASED}),
    GpuStep.FOREIGN: frozenset({GpuStep.CALM, GpuStep.RELEASED}),
    GpuStep.RELEASED: frozenset({GpuStep.CALM, GpuStep.FOREIGN, GpuStep.REPLACED}),
    GpuStep.REPLACED: frozenset({GpuStep.CALM, GpuStep.FOREIGN, GpuStep.RELEASED}),
}


@dataclass(frozen=True, slots=True)
class GpuVerdict:
    """A move of the watch, with what it saw."""

    step: GpuStep
    gpu: Gpu
    own_bytes: int | None
    limit_bytes: int


def limit_bytes(gpu: Gpu, settings: GpuSettings) -> int:
    """The tighter of the absolute and the relative limit."""
    relative = int(gpu.total_bytes * settings.limit_ratio)
    return min(relative, settings.limit_bytes) if settings.limit_bytes else relative


class GpuWatch:
    """The watch over the GPU the worker is on.

    Args:
        settings: limits and counts.
    """

    def __init__(self, settings: GpuSettings) -> None:
        self.settings = settings
        self.step = GpuStep.CALM
        self._over = 0
        self._under = 0

    @property
    def is_surely_calm(self) -> bool:
        """Whether enough readings in a row were below the limit by the margin."""
        return self.step is GpuStep.CALM and self._under >= self.settings.readings

    def look(self, gpu: Gpu, own_bytes: int | None) -> GpuVerdict | None:
        """One reading.

        Args:
            gpu: as read just now.
            own_bytes: of it, what our own processes hold; None when nobody can tell.

        Returns:
            What is to be done now, or None. MIG is left alone: its parts have limits of their own.
        """
        if gpu.is_mig:
            return None
        settings, limit = self.settings, limit_bytes(gpu, self.settings)
        if gpu.used_bytes > limit:
            self._over, self._under = self._over + 1, 0
            if self._over < settings.readings:
                return None
            self._over = 0
            return self._climb(gpu, own_bytes, limit)
        self._over = 0
        if gpu.used_bytes <= limit * (1 - settings.clear_margin_ratio):
            self._under += 1
            if self._under >= settings.readings and self.step is not GpuStep.CALM:
                return self._move(GpuStep.CALM, gpu, own_bytes, limit)
        else:
            self._under = 0
        return None

    def _climb(self, gpu: Gpu, own_bytes: int | None, limit: int) -> GpuVerdict | None:
        if not _is_ours(gpu, own_bytes, limit):
            if self.step is GpuStep.FOREIGN:
                return None
            return self._move(GpuStep.FOREIGN, gpu, own_bytes, limit)
        if self.step is GpuStep.RELEASED:
            return self._move(GpuStep.REPLACED, gpu, own_bytes, limit)
        return self._move(GpuStep.RELEASED, gpu, own_bytes, limit)

    def _move(self, to: GpuStep, gpu: Gpu, own_bytes: int | None, limit: int) -> GpuVerdict:
        if to not in STEPS[self.step]:
            raise AssertionError(f"the watch cannot go from {self.step.value} to {to.value}")
        self.step = to
        self._over = self._under = 0
        return GpuVerdict(to, gpu, own_bytes, limit)


def _is_ours(gpu: Gpu, own_bytes: int | None, limit: int) -> bool:
    """Whether ending our worker would bring the GPU below its limit, and we hold the larger part
    of what is above nothing: otherwise the memory is somebody else's."""
    if own_bytes is None:
        return False
    others = gpu.used_bytes - own_bytes
    return others <= limit and own_bytes >= others
