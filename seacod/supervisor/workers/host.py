"""What the lives of workers run on: processes, clock, kernel, chance. In simulated time each part
is a stand-in; nothing in this folder reads a clock or starts a process except through it.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from seacod.config.schema import Settings
from seacod.protocol import FromSupervisor
from seacod.supervisor.clock import Clock
from seacod.supervisor.workers.events import EventQueue
from seacod.supervisor.workers.host_memory import Cgroup
from seacod.supervisor.workers.start_times import StartTimes


class Process(Protocol):
    """One worker process; `process.py` has the real one."""

    slot: str
    pid: int
    """0 until it is forked."""

    @property
    def last_lines(self) -> Iterable[str]: ...

    def send(self, message: FromSupervisor) -> None: ...

    def signal(self, number: signal.Signals) -> None: ...

    def kill(self) -> None: ...

    def close(self) -> None: ...


class StartProcess(Protocol):
    """Has a worker process forked, which reports to `events`."""

    def __call__(
        self,
        settings: Settings,
        events: EventQueue,
        *,
        slot: str,
        environment: Mapping[str, str],
    ) -> Process: ...


@dataclass(frozen=True, slots=True)
class Host:
    """The machine as a worker's life sees it.

    Args:
        start: starts a process.
        clock: tells the time.
        cgroup: where the kernel counts whom it killed for memory.
        random: for the jitter of pauses.
        start_times: what starts take here.
    """

    start: StartProcess
    clock: Clock = time
    cgroup: Cgroup = field(default_factory=Cgroup.own)
    random: random.Random = field(default_factory=random.Random)
    start_times: StartTimes = field(default_factory=StartTimes)
