"""One worker of several, by what it is given; made by `workers/placement.py`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from seacod.accelerators import registry
from seacod.accelerators.base import Gpu
from seacod.config.schema import Settings
from seacod.shared_load import SLOTS_A_REPLICA


@dataclass(frozen=True, slots=True)
class Replica:
    """What one worker of several is given; whoever sits there, one after the other, has the same.

    Args:
        number: from 0.
        count: of all replicas.
        gpu: the only one it sees; None when it sees what the service sees.
    """

    number: int = 0
    count: int = 1
    gpu: Gpu | None = None

    @property
    def name(self) -> str:
        """For alerts and the log; empty where there is only one."""
        return f"worker {self.number + 1}" if self.count > 1 else ""

    def named(self, base: str) -> str:
        """A name that no other replica has."""
        return f"{base} {self.number + 1}" if self.count > 1 else base

    @property
    def slots(self) -> range:
        """Numbers for its processes, of which several live at once: a replacement, old ones."""
        first = self.number * SLOTS_A_REPLICA
        return range(first, first + SLOTS_A_REPLICA)

    def environment(self) -> dict[str, str]:
        """What its processes find in their environment."""
        return registry.of_gpu(self.gpu).environment(self.gpu) if self.gpu is not None else {}

    def visible_to(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The environment of the service as it is for this replica."""
        return {**environment, **self.environment()}

    def settings(self, settings: Settings) -> Settings:
        """The settings of its workers: the cores are shared where the model runs on them."""
        if self.count == 1 or settings.asr.cpu_threads:
            return settings
        threads = max(1, len(os.sched_getaffinity(0)) // self.count)
        asr = settings.asr.model_copy(update={"cpu_threads": threads})
        return settings.model_copy(update={"asr": asr})
