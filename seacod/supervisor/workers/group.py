"""Every worker process of one replica, and what each is for. Decides nothing.

At most one is *in front*: it serves, or is to serve. Beside it there may be a replacement that
loads with new settings, and old ones that are leaving.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from seacod.config.schema import Settings
from seacod.supervisor.replica import Replica
from seacod.supervisor.workers.events import EventQueue
from seacod.supervisor.workers.host import Host
from seacod.supervisor.workers.report import OtherProcess, Report
from seacod.supervisor.workers.states import WorkerState
from seacod.supervisor.workers.worker import Worker
from seacod.system.text.words import NOTHING


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
        self.changed = changed
        self._replica = replica
        self._host = host
        self._events = events

    def __iter__(self) -> Iterator[Worker]:
        workers = (self.front, self.incoming, *self.leaving)
        return iter([worker for worker in workers if worker is not None])

    def find(self, slot: str) -> Worker | None:
        """The worker in this slot; None when it is already forgotten."""
        return next((worker for worker in self if worker.process.slot == slot), None)

    @property
    def is_serving(self) -> bool:
        return self.front is not None and self.front.state is WorkerState.SERVING

    @property
    def has_room(self) -> bool:
        """Whether there is a slot for one more: those that nothing ends keep theirs."""
        return sum(1 for _ in self) < len(self._replica.slots)

    @property
    def is_waited_for(self) -> bool:
        """Whether anybody is there who will end."""
        return any(worker.state is not WorkerState.STUCK for worker in self)

    def spawn(self, settings: Settings, cause: str) -> Worker:
        """A worker that is to serve. Each has a slot of its own, for its metrics."""
        taken = {worker.process.slot for worker in self}
        slot = next(name for n in self._replica.slots if (name := f"worker{n}") not in taken)
        process = self._host.start(
            settings, self._events, slot=slot, environment=self._replica.environment()
        )
        return Worker(process, settings, cause, self._host.clock, self.changed)

    def dismiss_replacement(self, cause: str) -> None:
        """Let go of a replacement, which promised nothing to anybody."""
        incoming, self.incoming = self.incoming, None
        if incoming is not None:
            incoming.dismiss(cause)
            self.leaving.append(incoming)
            self.changed()

    def kill(self) -> None:
        """End everybody at once: the service itself ends."""
        for worker in self:
            worker.process.kill()
            worker.process.close()

    def describe(self, report: Report) -> None:
        """Write down who there is."""
        front = self.front
        report.stage = front.stage if front is not None else NOTHING
        if front is not None and front.model:
            report.model, report.device = front.model, front.device
        report.replacement = _beside(self.incoming)
        report.leaving = len(self.leaving)


def _beside(worker: Worker | None) -> OtherProcess | None:
    return None if worker is None else OtherProcess(worker.pid, worker.state.value, worker.since)
