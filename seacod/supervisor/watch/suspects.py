"""Recordings that were with the model when workers ended by their own fault, by their content.

After one such end a recording is with the model alone the next time, so that the second condemns no
neighbour of it. Heard to its end, it is as any other again: what people send all the time is with
the model whenever something else ends a worker. After two it is refused, whoever sends it. Hears of
ends on the bus, and tells the lives of the workers, which tell the workers.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from seacod.supervisor.bus import (
    AlertRaised,
    Bus,
    RecordingAcquitted,
    RecordingsSuspected,
    WorkerBlamed,
    WorkerGone,
)
from seacod.with_model import ENDS_ARE_POISON, ModelTable

log = structlog.get_logger(__name__)

_REMEMBERED_SECONDS = 86_400.0
# The message to the workers has to fit into a line of the control channel.
_MOST = 200


class Suspects:
    """
    Args:
        table: what was with the model of each worker.
        bus: tells of ends, and hears what follows.
        clock: seconds, monotonic.
    """

    def __init__(self, table: ModelTable, bus: Bus, clock: Callable[[], float]) -> None:
        self._table = table
        self._bus = bus
        self._clock = clock
        # By digest: when the ends were, and what people call it.
        self._ends: dict[str, list[float]] = {}
        self._labels: dict[str, str] = {}
        bus.subscribe(WorkerBlamed, self._on_blamed)
        bus.subscribe(RecordingAcquitted, self._on_acquitted)
        bus.subscribe(WorkerGone, lambda event: table.clear(event.slot))

    def _on_blamed(self, event: WorkerBlamed) -> None:
        now = self._clock()
        # Two clients may have sent the same content: it was one end all the same.
        for one in {one.digest: one for one in self._table.of(event.slot)}.values():
            recent = [at for at in self._ends.pop(one.digest, []) if at > now - _REMEMBERED_SECONDS]
            ends = self._ends[one.digest] = [*recent, now]
            self._labels[one.digest] = one.label
            log.error(
                "recording_suspected", recording=one.label, ends=len(ends), worker_pid=event.pid
            )
            if len(ends) >= ENDS_ARE_POISON:
                self._tell(one.label, len(ends))
        while len(self._ends) > _MOST:
            self._forget(next(iter(self._ends)))
        self._publish()

    def _on_acquitted(self, event: RecordingAcquitted) -> None:
        # What was condemned meanwhile, by another worker, stays so.
        if len(self._ends.get(event.digest, [])) < ENDS_ARE_POISON:
            if label := self._forget(event.digest):
                log.info("recording_acquitted", recording=label, digest=event.digest)
            self._publish()

    def _forget(self, digest: str) -> str:
        """What people call it; empty if it is no suspect."""
        self._ends.pop(digest, None)
        return self._labels.pop(digest, "")

    def _publish(self) -> None:
        self._bus.publish(RecordingsSuspected({one: len(ends) for one, ends in self._ends.items()}))

    def _tell(self, label: str, ends: int) -> None:
        self._bus.publish(
            AlertRaised(
                "poison",
                f"The recording {label} was with the model at {ends} ends of workers; it is "
                "refused from now on. Ask who sends it to stop, and keep it for a report.",
                f"录音 {label} 在识别进程 {ends} 次异常退出时都正在被识别，已拒绝再次识别；"
                "请让发送者停止提交，并保留该文件以便排查。",
                label,
            )
        )
