"""Every worker process of one replica, and what each is for. Decides nothing.

At most one is *in front*: it serves, or is to serve. Beside it there may be a warm spare, a
replacement that loads with new settings, and old ones that are leaving.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from seacod.config.schema import Settings
from seacod.supervisor.workers.events import EventQueue
from seacod.supervisor.workers.host import Host
from seacod.supervisor.workers.placement import Replica
from seacod.supervisor.workers.report import OtherWorker, Report
from seacod.supervisor.workers.spare import SpareKeeper
from seacod.supervisor.workers.states import WorkerState
from seacod.supervisor.workers.worker import Worker


class WorkerGroup:
    """The processes of one replica.

    Args:
        replica: what they are given.
        host: processes, clock, memory, chance.
        events: where they report.
        changed: called after each change of a worker's state or stage.
    """

    def __init__(
        self,
        replica: Replica,
        host: Host,
        events: EventQueue,
        changed: Callable[[], None],
    ) -> None:
        self.front: Worker | None = None
        self.incoming: Worker | None = None
        self.leaving: list[Worker] = []
        self.spare = SpareKeeper(self._spawn_spare, host)
        self.changed = changed
        self._replica = replica
        self._host = host
        self._events = events

    def __iter__(self) -> Iterator[Worker]:
        workers = (self.front, self.incoming, self.spare.worker, *self.leaving)
        return iter([worker for worker in workers if worker is not None])

    def find(self, pid: int) -> Worker | None:
        """The worker with this pid; None when it is already forgotten."""
        return next((worker for worker in self if worker.pid == pid), None)

    @property
    def is_serving(self) -> bool:
        return self.front is not None and self.front.state is WorkerState.SERVING

    def spawn(self, state: WorkerState, settings: Settings, cause: str) -> Worker:
        """A new process. Each writes its metrics under a name that no other live one has."""
        taken = {worker.process.slot for worker in self}
        slot = next(name for n in self._replica.slots if (name := f"worker{n}") not in taken)
        process = self._host.start(
            settings,
            self._events,
            slot=slot,
            is_spare=state is WorkerState.WARMING,
            environment=self._replica.environment(),
        )
        return Worker(process, settings, state, cause, self._host.clock, self.changed)

    def enlist(self, settings: Settings, cause: str) -> Worker:
        """A worker that is to serve: the spare, if it has these settings, or a new process."""
        spare = self.spare.take(settings)
        if spare is not None:
            spare.promote(cause)
            return spare
        return self.spawn(WorkerState.STARTING, settings, cause)

    def _spawn_spare(self, settings: Settings) -> Worker:
        return self.spawn(WorkerState.WARMING, settings, "a spare is wanted")

    def leave(self, worker: Worker | None) -> None:
        """It is on its way out; kept until it was reaped."""
        if worker is not None:
            self.leaving.append(worker)
            self.changed()

    def dismiss_others(self, cause: str, keep_spare_for: Settings | None = None) -> None:
        """Let go of all that promised nothing to anybody: the spare, unless it was made with the
        settings named, and a replacement."""
        spare = self.spare.worker
        if spare is not None and spare.settings != keep_spare_for:
            self.leave(self.spare.dismiss(cause))
        incoming, self.incoming = self.incoming, None
        if incoming is not None:
            incoming.dismiss(cause)
            self.leave(incoming)

    def kill(self) -> None:
        """End everybody at once: the service itself ends."""
        for worker in self:
            worker.process.kill()
            worker.process.close()

    def describe(self, report: Report) -> None:
        """Write down who there is."""
        front = self.front
        report.stage = front.stage if front is not None else ""
        report.was_spare = front is not None and front.was_spare
        if front is not None and front.model:
            report.model, report.device = front.model, front.device
        report.spare = _beside(self.spare.worker)
        report.replacement = _beside(self.incoming)
        report.leaving = len(self.leaving)


def _beside(worker: Worker | None) -> OtherWorker | None:
    return None if worker is None else OtherWorker(worker.pid, worker.state, worker.since)
