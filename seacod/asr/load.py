"""How busy a worker's recognition is: for the control channel, `/health`, the metrics and the other
workers. Reads everything, changes nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from seacod.asr.admission import Admission
from seacod.asr.counting import RequestCounters
from seacod.asr.live.sessions import LiveSessions
from seacod.asr.recognisers.base import Recogniser
from seacod.asr.scheduler import Scheduler
from seacod.shared_load import SharedLoad

_LONGEST_RUNNING = 500


@dataclass(frozen=True, slots=True)
class ServiceLoad:
    """What the worker is busy with now; the control channel's beat and /health show it."""

    in_flight: int
    queue_depth: int
    oldest_seconds: float
    progress_age_seconds: float
    answered: int
    failed: int
    gpu_reserved_bytes: int
    running: str
    outstanding_seconds: float = 0.0
    speed: float = 0.0


class LoadReport:
    """
    Args:
        admission: knows who is inside.
        scheduler: knows how fast the model is.
        live: knows the microphones.
        counters: know what became of requests; have the gauges.
        shared_load: of the workers that share the work; None where this is the only one.
    """

    def __init__(
        self,
        admission: Admission,
        scheduler: Scheduler,
        live: LiveSessions,
        counters: RequestCounters,
        shared_load: SharedLoad | None,
    ) -> None:
        self._admission = admission
        self._scheduler = scheduler
        self._live = live
        self._counters = counters
        self._shared_load = shared_load

    def now(self, engine: Recogniser | None) -> ServiceLoad:
        """What goes on now; `engine` is None while it loads."""
        age = time.monotonic() - self._scheduler.last_progress
        return ServiceLoad(
            in_flight=self._admission.in_flight,
            queue_depth=self._admission.waiting,
            oldest_seconds=self._admission.oldest_seconds,
            progress_age_seconds=age if self._scheduler.is_busy else 0.0,
            answered=self._counters.answered,
            failed=self._counters.failed,
            gpu_reserved_bytes=engine.reserved_bytes() if engine is not None else 0,
            running=self._admission.with_the_model[:_LONGEST_RUNNING],
            outstanding_seconds=self._admission.outstanding_seconds,
            speed=self._scheduler.speed,
        )

    def publish(self) -> None:
        """Somebody came or went: set the gauges, tell the other workers."""
        self._counters.present(self._admission.in_flight, self._admission.waiting)
        if self._shared_load is None:
            return
        mine = self._shared_load.mine
        mine.inside = self._admission.inside
        mine.outstanding_seconds = self._admission.outstanding_seconds
        mine.speed = self._scheduler.speed
        mine.live = self._live.sessions
        self._shared_load.write()
