"""What is watched of one replica: its worker's requests, memory, age, leaks. Owned by
`watches.py`."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from seacod.accelerators.nvidia import Gpu
from seacod.alerts.deduplicator import Deduplicator
from seacod.alerts.rules import TrafficRules
from seacod.config.schema import Settings
from seacod.protocol import Beat
from seacod.supervisor.watch import memory_series
from seacod.supervisor.watch.recycling import Point, Recycling
from seacod.supervisor.workers.host_memory import resident_bytes
from seacod.supervisor.workers.lifecycle import Lifecycle
from seacod.supervisor.workers.placement import Replica
from seacod.supervisor.workers.states import ServiceState

log = structlog.get_logger(__name__)

# How long a replaced worker is waited for before the GPU may ask for another one.
_REPLACE_PAUSE_SECONDS = 600.0

Replace = Callable[[Replica, str, bool], None]


class ReplicaWatch:
    """The watch over one replica.

    Args:
        replica: which.
        life: of that replica; asked each time, since it is made after this.
        settings: asked each time; a reload may change them.
        replace: has a new worker take over: the replica, its cause, and whether the old one may
            stay until then.
        deduplicator: who is told.
    """

    def __init__(
        self,
        replica: Replica,
        life: Callable[[], Lifecycle],
        settings: Callable[[], Settings],
        replace: Replace,
        deduplicator: Deduplicator,
    ) -> None:
        self.replica = replica
        self.curves = memory_series.Curves()
        # Its own resident memory at the last look.
        self.host_bytes: int | None = None
        self._life = life
        self._settings = settings
        self._replace = replace
        self._deduplicator = deduplicator
        self._rules = TrafficRules()
        self._recycling = Recycling(random.Random())
        self._replaced_at = -_REPLACE_PAUSE_SECONDS

    @property
    def life(self) -> Lifecycle:
        return self._life()

    def beat(self, pid: int, beat: Beat, waiting: int) -> None:
        """The worker in front gave a sign of life.

        Args:
            waiting: requests that wait, those of all replicas together: they share the queue.
        """
        settings = self._settings()
        told = replace(beat, queue_depth=waiting)
        for finding in self._rules.beat(
            time.monotonic(), pid, told, settings.limits.queue_length, settings.alerts
        ):
            log.warning(
                "traffic_rule",
                kind=finding.kind,
                begun=finding.has_begun,
                replica=self.replica.name,
            )
            say = self._deduplicator.raised if finding.has_begun else self._deduplicator.cleared
            key = "" if finding.kind == "queue_full" else self.replica.name
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
            self._deduplicator.raised(
                "leak",
                f"The worker with pid {report.pid} is replaced: {cause}.",
                f"正在更换识别进程（pid {report.pid}）：{cause}。",
                key=self.replica.name,
            )
        self._replace(self.replica, cause, True)

    def replace_for_gpu(self, cause: str) -> None:
        """Its GPU has too little memory left."""
        now = time.monotonic()
        if now - self._replaced_at < _REPLACE_PAUSE_SECONDS:
            # It did not help the last time either: a loop of restarts would only add to it.
            log.warning("not_replaced_again", cause=cause)
            return
        self._replaced_at = now
        # Two at once would not fit where one is too much already.
        self._replace(self.replica, cause, False)


def by_gpu(replicas: Sequence[ReplicaWatch]) -> list[list[ReplicaWatch]]:
    """The replicas that share a GPU, GPU by GPU."""
    groups: dict[str | None, list[ReplicaWatch]] = {}
    for one in replicas:
        groups.setdefault(one.replica.gpu, []).append(one)
    return list(groups.values())
