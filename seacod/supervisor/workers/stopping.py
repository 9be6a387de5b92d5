"""How a replica stops: announced first where that is asked for, then by a drain; at a second
request without waiting. Called by `lifecycle.py`.
"""

from __future__ import annotations

import structlog

from seacod.supervisor.clock import Clock
from seacod.supervisor.sockets.shared_fallback import FallbackSwitch
from seacod.supervisor.workers.backoff import Backoff
from seacod.supervisor.workers.exits import stopped
from seacod.supervisor.workers.group import WorkerGroup
from seacod.supervisor.workers.states import WorkerState

log = structlog.get_logger(__name__)


class Stopping:
    """The stop of one replica.

    Args:
        group: its workers.
        backoff: forgets the next start.
        fallback: answers from then on.
        clock: for the announcement.
    """

    def __init__(
        self, group: WorkerGroup, backoff: Backoff, fallback: FallbackSwitch, clock: Clock
    ) -> None:
        self.cause: str | None = None
        self._group = group
        self._backoff = backoff
        self._fallback = fallback
        self._announced = _AnnouncedStop(clock)

    @property
    def is_asked_for(self) -> bool:
        """Whether a stop was announced or has begun."""
        return self.cause is not None or self._announced.is_given

    def asked(self, cause: str, notice_seconds: float) -> None:
        """Somebody wants a stop.

        Args:
            cause: who.
            notice_seconds: for so long a worker that serves goes on, and says that it will go.
        """
        front = self._group.front
        if (
            self.cause is None
            and front is not None
            and front.state is WorkerState.SERVING
            and self._announced.give(cause, notice_seconds)
        ):
            log.info("stop_announced", cause=cause, seconds=notice_seconds, worker_pid=front.pid)
            # One that took over now would be ready again in the eyes of a load balancer.
            self._group.dismiss_replacement(cause)
            front.retire()
            return
        # Asked again: whoever asks does not want to wait.
        self._announced.take()
        self._begin(cause)

    def seconds_left(self) -> float | None:
        """Until an announced stop begins; None without one."""
        return self._announced.seconds_left()

    def check_deadline(self) -> None:
        """Begin when the time of the announcement is over."""
        if self._announced.seconds_left() == 0.0:
            self.begin_announced()

    def begin_announced(self) -> bool:
        """Begin now, since the time is over or the worker that was to serve until then has ended;
        False when no stop was announced."""
        cause = self._announced.take()
        if cause is not None:
            self._begin(cause)
        return cause is not None

    def _begin(self, cause: str) -> None:
        front = self._group.front
        if self.cause is not None:
            # Asked twice: whoever asks does not want to wait for the drain.
            for worker in (front, *self._group.leaving):
                if worker is not None:
                    worker.terminate(stopped(f"{cause}, asked again"))
            return
        self.cause = cause
        self._backoff.clear()
        self._group.dismiss_replacement(cause)
        if front is not None and front.state is WorkerState.SERVING:
            front.drain(cause)
        elif front is not None and front.state is WorkerState.STARTING:
            front.terminate(stopped(cause))
        # Draining and stopping go on; their end ends the service now.
        self._fallback.open("stopping")
        self._group.changed()


class _AnnouncedStop:
    """For a while the service says at /health/ready that it will go, and goes on serving, so that a
    load balancer sends nothing more before anything is refused. At most one at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._cause: str | None = None
        self._ends_at = 0.0

    @property
    def is_given(self) -> bool:
        """Whether the stop is under way."""
        return self._cause is not None

    def give(self, cause: str, seconds: float) -> bool:
        """Announce a stop; returns False where there is no time for that, or it was done before.

        Args:
            cause: of the stop.
            seconds: until it begins.
        """
        if seconds <= 0 or self.is_given:
            return False
        self._cause = cause
        self._ends_at = self._clock.monotonic() + seconds
        return True

    def seconds_left(self) -> float | None:
        """Seconds until the stop begins; None when none was announced."""
        return max(0.0, self._ends_at - self._clock.monotonic()) if self.is_given else None

    def take(self) -> str | None:
        """The cause of the stop that is to begin now, once; None when there is none."""
        cause, self._cause = self._cause, None
        return cause
