"""One worker in place of another because we want it: new settings, or just a fresh process.

Beside the old worker where memory allows two, otherwise one after the other. `lifecycle.py` says
what happened to the workers and keeps the settings in use; here is what a replacement needs to
remember, how it begins and how it ends.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from seacod.config.schema import Settings
from seacod.supervisor.sockets.shared_fallback import FallbackSwitch
from seacod.supervisor.workers.exits import End, ExitKind
from seacod.supervisor.workers.group import WorkerGroup
from seacod.supervisor.workers.host_memory import HostMemoryGate
from seacod.supervisor.workers.states import WorkerState
from seacod.supervisor.workers.worker import Worker

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Replacement:
    """Another worker is on its way.

    Args:
        settings: what it uses: new ones after a reload, the same when it only is to be a fresh one.
        previous: come back when no worker gets ready with the new ones.
        cause: in words.
        old_pid: of the worker it takes over from.
    """

    settings: Settings
    previous: Settings
    cause: str
    old_pid: int

    @property
    def is_reload(self) -> bool:
        return self.settings != self.previous


class Rollover:
    """At most one replacement at a time; a newer one overtakes.

    Args:
        group: the workers.
        host_memory: whether a second one fits into memory.
        fallback: opened while nobody serves.
        told: hears how it ended: None when the new worker serves, else why not.
        raised: hears of new settings that do not work: a kind of alert, English, Chinese.
    """

    def __init__(
        self,
        group: WorkerGroup,
        host_memory: HostMemoryGate,
        fallback: FallbackSwitch,
        told: Callable[[str | None], None],
        raised: Callable[[str, str, str], None],
    ) -> None:
        self.current: Replacement | None = None
        self._group = group
        self._host_memory = host_memory
        self._fallback = fallback
        self._told = told
        self._raised = raised

    def begin(
        self, front: Worker, settings: Settings, in_use: Settings, cause: str, *, may_overlap: bool
    ) -> bool:
        """Have another worker take over from this one.

        Args:
            front: the worker there is; one that is ending already is followed by the new one.
            settings: of the new worker.
            in_use: those until now.
            cause: in words.
            may_overlap: the old one may serve until the new one does.

        Returns:
            Whether nobody serves from now on until then.
        """
        previous = self.current.previous if self.current is not None else in_use
        self.current = Replacement(settings, previous, cause, front.pid)
        if front.state is WorkerState.STARTING:
            front.terminate(End(ExitKind.STOPPED, cause))
        if front.state is not WorkerState.SERVING:
            return False
        if may_overlap and (
            self._group.spare.worker is not None or self._host_memory.for_one_more()
        ):
            self._group.incoming = self._group.enlist(settings, cause)
            return False
        log.info(
            "replacing_one_after_the_other",
            cause="host memory does not allow two" if may_overlap else cause,
        )
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
        return self.current is not None and worker.pid == self.current.old_pid

    def has_failed(self, worker: Worker) -> bool:
        """Whether this worker, which ended, shows that the new settings do not work."""
        return self.current is not None and self.current.is_reload and worker.ready_at is None

    def done(self) -> None:
        """The worker in front serves: whatever was on its way is there."""
        if self.current is not None:
            self.current = None
            self._told(None)

    def forget(self) -> None:
        """Nothing works with the settings before either: there is nothing to come back to."""
        self.current = None
        self._told(None)

    def give_up(self, worker: Worker, end: End) -> Settings | None:
        """No worker gets ready with the new settings.

        Returns:
            Those to go on with; None when nothing was on its way.
        """
        replacement, self.current = self.current, None
        if replacement is None:
            return None
        if not replacement.is_reload:
            log.warning("fresh_worker_failed", worker_pid=worker.pid, cause=end.cause)
            self._told(end.cause)
            return replacement.previous
        problem = worker.fault.message if worker.fault is not None else end.cause
        log.error(
            "replacement_failed", worker_pid=worker.pid, cause=end.cause, text=problem,
            hint="the settings before stay in use",
        )  # fmt: skip
        self._raised(
            "configuration",
            f"No worker gets ready with the new settings: {problem} Those before stay in use.",
            f"识别进程无法以新的配置启动：{problem} 继续使用之前的配置。",
        )
        self._told(problem)
        return replacement.previous

    def applied(self, settings: Settings) -> None:
        """Settings that took effect at once are in those to come back to, too."""
        if self.current is not None and not self.current.is_reload:
            self.current = dataclasses.replace(self.current, settings=settings, previous=settings)
