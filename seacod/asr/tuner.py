"""Measures batch sizes while nobody needs the model, and again when what was measured contradicts
what is seen. A task of the worker's, from readiness on.

One call at a time, after some quiet: a request that comes meanwhile waits for one call, and that
call does not count. Lives on the event loop; `tuning.py` decides what to time and draws the
conclusions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog

from seacod.asr import tuning, warmup
from seacod.asr.tuning import Measurement, Tuning
from seacod.errors import OutOfMemory, SeacodError

if TYPE_CHECKING:
    from seacod.asr.preparation import EnginePreparation
    from seacod.asr.recognisers.base import Recogniser
    from seacod.asr.service import TranscriptionService

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.25
# Nobody may have needed the model for so long; longer after each disturbance.
_QUIET_SECONDS, _LONGEST_QUIET_SECONDS = 0.5, 60.0
# A machine whose figures never agree is not measured all the time.
_AGAIN_SECONDS = 3600.0


class Tuned(Protocol):
    """What is tuned: the service."""

    @property
    def is_idle(self) -> bool:
        """Whether nobody needs the model now."""
        ...

    @property
    def tuning(self) -> Tuning:
        """The figures in use."""
        ...

    @property
    def needs_tuning(self) -> bool:
        """Whether nothing was measured, or it contradicts what is seen."""
        ...

    def tune(self, found: Tuning) -> None:
        """Use these figures."""
        ...


async def tune_worker(service: TranscriptionService, preparation: EnginePreparation) -> None:
    """Keep the figures of a worker right, until cancelled."""
    settings = preparation.settings.asr
    if settings.tune == "off":
        return

    async def time_call(seconds: float, count: int) -> float:
        taken: list[float] = []

        def call(engine: Recogniser) -> None:
            speech = warmup.first_recording()
            try:
                taken.append(tuning.timed(engine.recognise, speech, seconds, count))
            except OutOfMemory:
                engine.release_cache()
                raise

        await service.with_engine(call)
        return taken[0]

    place = preparation.tuning_place(service.engine)
    await Tuner(service, time_call, settings.batch_seconds, *place).run()


class Tuner:
    """
    Args:
        service: what is tuned.
        time_call: how many seconds a call takes with so many pieces of so many seconds; raises
            `OutOfMemory`.
        ceiling_seconds: asr.batch_seconds.
        file: where measurements are remembered.
        name: of this one there.
        clock: seconds, monotonic.
        sleep: waits on it.
    """

    def __init__(
        self,
        service: Tuned,
        time_call: Callable[[float, int], Awaitable[float]],
        ceiling_seconds: float,
        file: Path,
        name: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._service = service
        self._time_call = time_call
        self._ceiling_seconds = ceiling_seconds
        self._file = file
        self._name = name
        self._clock = clock
        self._sleep = sleep
        self._quiet_seconds = _QUIET_SECONDS

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if self._service.needs_tuning:
                await self._tune()
                await self._sleep(_AGAIN_SECONDS)
            await self._sleep(_LOOK_SECONDS)

    async def _tune(self) -> None:
        known = tuning.remembered(self._file, self._name)
        if known is not None and known.is_measured and known != self._service.tuning:
            # Another worker of this machine was quicker.
            self._service.tune(known)
            return
        measurement = Measurement(self._ceiling_seconds)
        self._quiet_seconds = _QUIET_SECONDS
        while (count := measurement.next()) is not None:
            await self._quiet()
            try:
                seconds = await self._time_call(measurement.piece_seconds, count)
            except OutOfMemory:
                measurement.out_of_memory()
                continue
            except SeacodError as error:
                log.warning("batch_sizes_not_measured", error=error.message)
                return
            if self._service.is_idle:
                measurement.note(seconds)
            else:
                self._quiet_seconds = min(_LONGEST_QUIET_SECONDS, 2 * self._quiet_seconds)
        found = measurement.result
        if not found.measured:
            return
        self._service.tune(found)
        if found.is_measured:
            tuning.remember(self._file, self._name, found)
        log.info(
            "batch_sizes_measured",
            sizes=len(found.measured),
            useful_seconds=found.useful_seconds,
            overhead_seconds=round(found.overhead_seconds, 2),
            speed=round(found.speed, 1),
            is_remembered=found.is_measured,
        )

    async def _quiet(self) -> None:
        """Wait until nobody has needed the model for a while."""
        since = self._clock()
        while self._clock() - since < self._quiet_seconds:
            await self._sleep(_LOOK_SECONDS)
            if not self._service.is_idle:
                since = self._clock()
