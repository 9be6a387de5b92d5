"""What the workers of a replica hear of the rest of the service: ends that are to blame, suspect
recordings, a pause. Those that come hear of what was before them. Owned by `lifecycle.py`.
"""

from __future__ import annotations

from seacod import protocol
from seacod.pause import Pause
from seacod.supervisor.bus import Bus, PauseChanged, RecordingsSuspected, WorkerBlamed
from seacod.supervisor.workers.group import WorkerGroup
from seacod.supervisor.workers.states import WorkerState
from seacod.supervisor.workers.worker import Worker

# A worker is told of so many of those before it that ended by their own fault.
_BLAMED_KEPT = 20


class News:
    """
    Args:
        group: the workers.
        bus: tells what there is to hear.
    """

    def __init__(self, group: WorkerGroup, bus: Bus) -> None:
        self._group = group
        # Workers of any replica that ended by their own fault.
        self.blamed_pids: list[int] = []
        self._suspects: dict[str, int] = {}
        self._pause: Pause | None = None
        bus.subscribe(WorkerBlamed, self._on_blamed)
        bus.subscribe(RecordingsSuspected, self._on_suspected)
        bus.subscribe(PauseChanged, self._on_pause)

    def tell(self, worker: Worker) -> None:
        """Tell a worker that is about to serve; whom to blame is in its order."""
        worker.process.send(protocol.SuspectsMessage(self._suspects))
        if self._pause is not None:
            worker.process.send(_paused(self._pause))

    def _on_blamed(self, event: WorkerBlamed) -> None:
        self.blamed_pids = [*self.blamed_pids, event.pid][-_BLAMED_KEPT:]
        self._tell_who_serves(protocol.Blame(event.pid))

    def _on_suspected(self, event: RecordingsSuspected) -> None:
        self._suspects = event.ends
        self._tell_who_serves(protocol.SuspectsMessage(event.ends))

    def _tell_who_serves(self, message: protocol.FromSupervisor) -> None:
        front = self._group.front
        if front is not None and front.state is WorkerState.SERVING:
            front.process.send(message)

    def _on_pause(self, event: PauseChanged) -> None:
        """Also those that drain: new requests may come on connections that are open."""
        self._pause = event.pause
        for worker in self._group:
            if worker.state in (WorkerState.SERVING, WorkerState.DRAINING):
                worker.process.send(_paused(event.pause))


def _paused(pause: Pause | None) -> protocol.PausedMessage:
    if pause is None:
        return protocol.PausedMessage(is_on=False)
    return protocol.PausedMessage(True, pause.reason, pause.since, pause.retry_after_seconds)
