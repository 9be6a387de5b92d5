"""One worker in place of another because we want it: new settings, or just a fresh process.

Beside the old worker where that is wanted, otherwise one after the other. `lifecycle.py` says
what happened to the workers and keeps the settings in use; here is what a replacement needs to
remember, how it begins and how it ends.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import structlog

from seacod.config.changes import with_values
from seacod.config.schema import Settings
from seacod.supervisor.bus import Bus, ReplacementEnded
from seacod.supervisor.replica import Replica
from seacod.supervisor.sockets.shared_fallback import FallbackSwitch
from seacod.supervisor.workers.events import ReplaceRequested
from seacod.supervisor.workers.exits import End, stopped
from seacod.supervisor.workers.group import WorkerGroup
from seacod.supervisor.workers.states import WorkerState
from seacod.supervisor.workers.telling import Telling
from seacod.supervisor.workers.worker import Worker
from seacod.system.text.words import Words

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Replacement:
    """Another worker is on its way.

    Args:
        settings: what it uses: new ones after a reload, the same when it only is to be a fresh one.
        previous: come back when no worker gets ready with the new ones.
        cause: in words.
        old: the worker it takes over from.
        request: which request this answers.
    """

    settings: Settings
    previous: Settings
    cause: str
    old: Worker
    request: int

    @property
    def is_reload(self) -> bool:
        return self.settings != self.previous


class Rollover:
    """At most one replacement at a time; a newer one overtakes.

    Args:
        replica: whose workers these are.
        group: the workers.
        fallback: opened while nobody serves.
        telling: who hears of new settings that do not work.
        bus: hears how it ended.
    """

    def __init__(
        self,
        replica: Replica,
        group: WorkerGroup,
        fallback: FallbackSwitch,
        telling: Telling,
        bus: Bus,
    ) -> None:
        self.current: Replacement | None = None
        self._replica = replica
        self._group = group
        self._fallback = fallback
        self._telling = telling
        self._bus = bus

    def begin(self, front: Worker, requested: ReplaceRequested, in_use: Settings) -> bool:
        """Have another worker take over from this one.

        Args:
            front: the worker there is; one that is ending already is followed by the new one.
            requested: the settings of the new worker, and why there is to be one.
            in_use: the settings until now.

        Returns:
            Whether nobody serves from now on until then.
        """
        previous = self.current.previous if self.current is not None else in_use
        settings, cause = requested.settings, requested.cause
        if requested.goes_back:
            previous = settings
        self.current = Replacement(settings, previous, cause, front, requested.request)
        if front.state is WorkerState.STARTING:
            front.terminate(stopped(cause))
        if front.state is not WorkerState.SERVING:
            return False
        if requested.may_overlap and self._group.has_room:
            self._group.incoming = self._group.spawn(settings, cause)
            return False
        log.info("replacing_one_after_the_other", cause=cause)
        self._fallback.open("replacing")
        front.drain(cause)
        return True

    def take_over(self, worker: Worker) -> Worker | None:
        """The replacement is ready: it is in front now.

        Returns:
            The old worker, which is on its way out.
        """
        old, self._group.front, self._group.incoming = self._group.front, worker, None
        if old is not None:
            self._group.leaving.append(old)
        return old

    def is_after(self, worker: Worker) -> bool:
        """Whether this is the worker that is being replaced."""
        return self.current is not None and worker is self.current.old

    def has_failed(self, worker: Worker) -> bool:
        """Whether this worker, which ended, shows that the new settings do not work."""
        return self.current is not None and self.current.is_reload and worker.ready_at is None

    def done(self) -> None:
        """The worker in front serves: whatever was on its way is there."""
        if self.current is not None:
            request, self.current = self.current.request, None
            self._ended(request, None)

    def forget(self, requested: ReplaceRequested) -> None:
        """Nothing works with the settings before either: there is nothing to come back to."""
        self.current = None
        self._ended(requested.request, None)

    def give_up(self, worker: Worker, end: End) -> Settings | None:
        """No worker gets ready with the new settings.

        Returns:
            The settings to go on with; None when nothing was on its way.
        """
        replacement, self.current = self.current, None
        if replacement is None:
            return None
        if not replacement.is_reload:
            log.warning("fresh_worker_failed", worker_pid=worker.pid, cause=end.cause)
            self._ended(replacement.request, end.words)
            return replacement.previous
        problem = worker.end_in_words(end)
        log.error(
            "replacement_failed", worker_pid=worker.pid, cause=end.cause, text=problem[0],
            hint="the previous settings stay in use",
        )  # fmt: skip
        self._telling.raised(
            "configuration",
            f"No worker gets ready with the new settings: {problem[0].rstrip('.')}. "
            "The previous settings stay in use.",
            f"识别进程无法以新的配置启动：{problem[1].rstrip('。')}。继续使用之前的配置。",
        )
        self._ended(replacement.request, problem)
        return replacement.previous

    def applied(self, changed: dict[str, Any]) -> None:
        """Values that took effect at once are in the settings to come back to, too."""
        if self.current is not None:
            self.current = dataclasses.replace(
                self.current,
                settings=with_values(self.current.settings, changed),
                previous=with_values(self.current.previous, changed),
            )

    def _ended(self, request: int, problem: Words | None) -> None:
        self._bus.publish(ReplacementEnded(self._replica, request, problem))
