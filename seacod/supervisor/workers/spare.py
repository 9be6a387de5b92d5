"""Keeps a warm spare: a worker that has imported everything and waits to be needed.

Nearly all of a restart is importing (15 s and more), so a spare that only has to say "ready" takes
over in a moment. Decides when one is made and given up; `lifecycle.py` says when one is needed.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from seacod.config.schema import Settings
from seacod.supervisor.workers.exits import End
from seacod.supervisor.workers.host import Host
from seacod.supervisor.workers.restart import RestartPolicy
from seacod.supervisor.workers.states import WorkerState
from seacod.supervisor.workers.worker import Worker

log = structlog.get_logger(__name__)

# The worker that has just begun to serve gets this long to itself before imports compete with it.
_DELAY_SECONDS = 2.0
# Reading the memory's figures more often tells nothing new.
_LOOK_SECONDS = 10.0
# A spare that dies is made again at a pace of its own, and never fast: nothing depends on it.
_POLICY = RestartPolicy(
    initial_seconds=2.0,
    max_seconds=600.0,
    stable_seconds=60.0,
    crash_loop_failures=1_000_000,
    crash_loop_window_seconds=1.0,
    crash_loop_pause_seconds=600.0,
)


class SpareKeeper:
    """The spare, or the reason why there is none.

    Args:
        spawn: starts one with these settings.
        host: whether one more worker fits, clock and chance.
    """

    def __init__(self, spawn: Callable[[Settings], Worker], host: Host) -> None:
        self.worker: Worker | None = None
        self._spawn = spawn
        self._clock = host.clock
        self._host_memory = host.memory
        self._random = host.random
        self._due = 0.0
        self._look_at = 0.0
        self._failures: tuple[float, ...] = ()
        self._has_said_no = False

    def tend(self, settings: Settings, *, is_wanted: bool) -> Worker | None:
        """Make a spare when one is due, give it up when memory is short.

        Args:
            settings: what a spare must have been started with.
            is_wanted: whether the service could use one (it serves, and nothing is replaced).

        Returns:
            The spare that was given up just now and is ending; its owner reaps it.
        """
        now, mode = self._clock.monotonic(), settings.supervisor.spare
        if self.worker is not None:
            if mode == "off":
                return self.dismiss("supervisor.spare is off")
            if mode == "auto" and now >= self._look_at:
                self._look_at = now + _LOOK_SECONDS
                if self._host_memory.is_tight():
                    self._due = now + 60.0
                    return self.dismiss("host memory is short")
            return None
        if mode == "off" or not is_wanted or now < self._due:
            return None
        if mode == "auto" and not self._host_memory.for_one_more():
            self._due = now + _LOOK_SECONDS
            if not self._has_said_no:
                self._has_said_no = True
                log.info(
                    "spare_not_made",
                    cause="not enough free host memory",
                    needs_mib=self._host_memory.worker_bytes >> 20,
                )
            return None
        self._has_said_no = False
        self.worker = self._spawn(settings)
        return None

    def take(self, settings: Settings) -> Worker | None:
        """The spare, if it can serve with these settings; it is nobody's spare any more."""
        worker = self.worker
        if worker is None or worker.settings != settings:
            return None
        if worker.state not in (WorkerState.WARM, WorkerState.WARMING):
            return None
        self.worker = None
        return worker

    @property
    def is_warm(self) -> bool:
        return self.worker is not None and self.worker.state is WorkerState.WARM

    def serving(self) -> None:
        """A worker has just begun to serve: the next spare comes a little later."""
        self._due = max(self._due, self._clock.monotonic() + _DELAY_SECONDS)

    def ended(self, end: End) -> None:
        """The spare died."""
        now = self._clock.monotonic()
        worker, self.worker = self.worker, None
        warm_for = None
        if worker is not None and worker.warm_at is not None:
            warm_for = now - worker.warm_at
        self._failures = _POLICY.remembered(self._failures, now, warm_for)
        pause = _POLICY.pause(self._failures, self._random)
        self._due = now + pause.seconds
        log.warning("spare_lost", cause=end.cause, pause_seconds=round(pause.seconds, 1))

    def dismiss(self, cause: str) -> Worker | None:
        """Let the spare go; returns it, for its owner to reap."""
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.dismiss(cause)
        return worker
