"""What is watched of one seat: its worker's requests, memory, age, leaks. Owned by `watches.py`."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from seacod.accelerators.nvidia import Gpu
from seacod.alerts.deduplicator import Desk
from seacod.alerts.rules import TrafficRules
from seacod.config.schema import Settings
from seacod.protocol import Beat
from seacod.supervisor.watch import memory_series
from seacod.supervisor.watch.recycling import Point, Recycling
from seacod.supervisor.workers.host_memory import resident_bytes
from seacod.supervisor.workers.lifecycle import Lifecycle
from seacod.supervisor.workers.placement import Seat
from seacod.supervisor.workers.states import ServiceState

log = structlog.get_logger(__name__)

# How long a replaced worker is waited for before the GPU may ask for another one.
_REPLACE_PAUSE_SECONDS = 600.0

Replace = Callable[[Seat, str, bool], None]


class SeatWatch:
    """The watch over one seat.

    Args:
        seat: which.
        life: of that seat; asked each time, since it is made after this.
        settings: asked each time; a reload may change them.
        replace: has a new worker take over: the seat, its cause, and whether the old one may stay
            until then.
        desk: who is told.
    """

    def __init__(
        self,
        seat: Seat,
        life: Callable[[], Lifecycle],
        settings: Callable[[], Settings],
        replace: Replace,
        desk: Desk,
    ) -> None:
        self.seat = seat
        self.curves = memory_series.Curves()
        # Its own resident memory at the last look.
        self.host_bytes: int | None = None
        self._life = life
        self._settings = settings
        self._replace = replace
        self._desk = desk
        self._rules = TrafficRules()
        self._recycling = Recycling(random.Random())
        self._replaced_at = -_REPLACE_PAUSE_SECONDS

    @property
    def life(self) -> Lifecycle:
        return self._life()

    def beat(self, pid: int, beat: Beat, waiting: int) -> None:
        """The worker in front gave a sign of life.

        Args:
            waiting: requests that wait, those of all seats together: they share the queue.
        """
        settings = self._settings()
        told = replace(beat, queue_depth=waiting)
        for finding in self._rules.beat(
            time.monotonic(), pid, told, settings.limits.queue_length, settings.alerts
        ):
            log.warning(
                "traffic_rule", kind=finding.kind, begun=finding.has_begun, seat=self.seat.name
            )
            say = self._desk.raised if finding.has_begun else self._desk.cleared
            key = "" if finding.kind == "queue_full" else self.seat.name
            say(finding.kind, finding.english, finding.chinese, key=key)

    def look(self, gpu: Gpu | None) -> None:
        """Memory, age, leaks.

        Args:
            gpu: the one its worker is on.
        """
        life = self.life
        report, beat = life.report, life.report.beat
        host = self.host_bytes = resident_bytes(report.pid) if report.pid is not None else None
        own = gpu.used_by(life.pids()) if gpu is not None else None
        used = gpu.used_bytes if gpu is not None else None
        self.curves.add(memory_series.Moment(time.time(), host, used, own))
        if report.state is not ServiceState.SERVING or beat is None or report.pid is None:
            return
        if host is None or report.replacement is not None:
            return
        cause = self._recycling.look(
            time.monotonic(),
            report.pid,
            time.time() - report.since,
            Point(beat.answered + beat.failed, host, own or beat.gpu_reserved_bytes),
            beat.in_flight == 0,
            self._settings().worker,
        )
        if cause is None:
            return
        log.info("worker_is_recycled", worker_pid=report.pid, cause=cause)
        if self._recycling.leak is not None:
            self._desk.raised(
                "leak",
                f"The worker with pid {report.pid} is replaced: {cause}.",
                f"正在更换识别进程（pid {report.pid}）：{cause}。",
                key=self.seat.name,
            )
        self._replace(self.seat, cause, True)

    def replace_for_gpu(self, cause: str) -> None:
        """Its GPU has too little memory left."""
        now = time.monotonic()
        if now - self._replaced_at < _REPLACE_PAUSE_SECONDS:
            # It did not help the last time either: a loop of restarts would only add to it.
            log.warning("not_replaced_again", cause=cause)
            return
        self._replaced_at = now
        # Two at once would not fit where one is too much already.
        self._replace(self.seat, cause, False)


def by_gpu(seats: Sequence[SeatWatch]) -> list[list[SeatWatch]]:
    """The seats that share a GPU, GPU by GPU."""
    groups: dict[str | None, list[SeatWatch]] = {}
    for one in seats:
        groups.setdefault(one.seat.gpu, []).append(one)
    return list(groups.values())
