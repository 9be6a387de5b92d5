"""Reads the GPUs again and again, on a thread of its own since a sick driver can block for seconds.
Decides nothing.
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Callable

import structlog

from seacod.accelerators import registry
from seacod.accelerators.base import DriverAbsent, DriverFailed, Gpu
from seacod.accelerators.reading import Drivers, read_soon
from seacod.config.in_use import SettingsInUse
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats
from seacod.system.processes.waiting import wait_at_most

log = structlog.get_logger(__name__)

# A driver that does not answer at all within this time has failed; the thread stays behind.
_TIMEOUT_SECONDS = 10.0
_FIRST_RETRY_SECONDS = 5.0
_MAX_RETRY_SECONDS = 300.0


class GpuState(enum.Enum):
    """What is known of the GPUs."""

    UNKNOWN = "unknown"
    """Not asked yet, or the driver failed: the last figures are not the present ones."""
    ABSENT = "absent"
    READ = "read"


class GpuSampler:
    """Asks the drivers every so often and keeps what they said.

    Args:
        settings: those in use, for the interval.
        on_sample: told of each reading, on the event loop.
        on_failure: told when readings begin to fail, in a sentence; not again until one was good.
        on_lost: told of each reading which GPUs answered, and which did not while others did.
        heartbeats: where proof of life is shown.
    """

    def __init__(
        self,
        settings: SettingsInUse,
        *,
        on_sample: Callable[[list[Gpu]], None],
        on_failure: Callable[[str], None],
        on_lost: Callable[[list[Gpu], tuple[str, ...]], None] = lambda gpus, lost: None,
        heartbeats: TaskHeartbeats,
    ) -> None:
        self.state = GpuState.UNKNOWN
        self.gpus: list[Gpu] = []
        self.read_at = 0.0
        self._settings = settings
        self._on_sample = on_sample
        self._on_failure = on_failure
        self._on_lost = on_lost
        # Those that did not answer while others did, a sentence each.
        self.lost: tuple[str, ...] = ()
        self._heartbeats = heartbeats
        self._drivers = Drivers()
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._is_failing = False

    async def run(self) -> None:
        """Sample until cancelled; ends by itself where there never was a driver."""
        while True:
            pause = self._settings.current.gpu.interval_seconds
            try:
                gpus = await asyncio.wait_for(read_soon(self._drivers), _TIMEOUT_SECONDS)
            except DriverAbsent as error:
                if not self.read_at:
                    self.state = GpuState.ABSENT
                    self._heartbeats.forget("gpu")
                    log.info("gpu_watch_off", cause=str(error))
                    return
                # Of a driver that is being exchanged, nothing is there for a while.
                pause = self._failed(str(error))
            except DriverFailed as error:
                pause = self._failed(str(error))
            except asyncio.TimeoutError:
                # The thread sits in the driver: it is left behind, with the libraries it opened.
                self._drivers = Drivers()
                pause = self._failed(f"no answer within {_TIMEOUT_SECONDS:g} s")
            else:
                self._read(gpus)
            self._heartbeats.expect("gpu", pause + _TIMEOUT_SECONDS)
            await wait_at_most(pause, self._pause_seconds)

    def _pause_seconds(self) -> float:
        if self._is_failing:
            return self._retry_seconds
        return self._settings.current.gpu.interval_seconds

    def _read(self, gpus: list[Gpu]) -> None:
        if self._is_failing:
            log.info("gpu_answers_again", gpus=len(gpus))
        elif self.state is GpuState.UNKNOWN:
            log.info("gpu_watch_on", gpus=[gpu.name for gpu in gpus])
        self._is_failing = False
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self.state, self.gpus, self.read_at = GpuState.READ, gpus, time.time()
        if self._drivers.lost != self.lost:
            log.error("gpus_lost", lost=list(self._drivers.lost), hint=looks_with())
        self.lost = self._drivers.lost
        self._on_sample(gpus)
        self._on_lost(gpus, self.lost)

    def _failed(self, problem: str) -> float:
        """Forget the figures; the pause before the driver is opened anew."""
        self.state, self.gpus, self.lost = GpuState.UNKNOWN, [], ()
        if not self._is_failing:
            self._is_failing = True
            log.error("gpu_does_not_answer", error=problem, hint=looks_with())
            self._on_failure(problem)
        pause = self._retry_seconds
        self._retry_seconds = min(_MAX_RETRY_SECONDS, self._retry_seconds * 2)
        return pause


def looks_with() -> str:
    """The commands that show an operator how the GPUs are."""
    return "; ".join(one.looks_with for one in registry.all_accelerators())
