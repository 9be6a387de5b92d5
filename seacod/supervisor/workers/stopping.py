"""How a replica stops: announced first where that is asked for, then by a drain; at a second
request without waiting. Called by `lifecycle.py`.
"""

from __future__ import annotations

import structlog

from seacod.supervisor.sockets.shared_fallback import FallbackSwitch
from seacod.supervisor.systemd.announced_stop import AnnouncedStop
from seacod.supervisor.workers.backoff import Backoff
from seacod.supervisor.workers.exits import End, ExitKind
from seacod.supervisor.workers.group import WorkerGroup
from seacod.supervisor.workers.host import Clock
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
        self._announced = AnnouncedStop(clock)

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
                    worker.terminate(End(ExitKind.STOPPED, f"{cause}, asked again"))
            return
        self.cause = cause
        self._backoff.clear()
        self._group.dismiss_replacement(cause)
        if front is not None and front.state is WorkerState.SERVING:
            front.drain(cause)
        elif front is not None and front.state is WorkerState.STARTING:
            front.terminate(End(ExitKind.STOPPED, cause))
        # Draining and stopping go on; their end ends the service now.
        self._fallback.open("stopping")
        self._group.changed()
