"""What is watched of one replica: its worker's requests, memory, age, leaks; and of all replicas
that share a GPU, what the guard of that GPU has to know. Owned by `watches.py`."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from dataclasses import replace

import structlog

from seacod.accelerators.base import Gpu
from seacod.alerts.rules import TrafficRules
from seacod.supervisor.bus import AlertCleared, AlertRaised, Bus, WorkerBeat
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.watch import memory_series
from seacod.supervisor.watch.gpu_guard import WorkerOnGpu
from seacod.supervisor.watch.recycling import Point, Recycling
from seacod.supervisor.workers.host_memory import resident_bytes
from seacod.supervisor.workers.lifecycle import Lifecycle
from seacod.supervisor.workers.replicas import Replicas
from seacod.supervisor.workers.states import ServiceState

log = structlog.get_logger(__name__)

# How long a replaced worker is waited for before the GPU may ask for another one.
_REPLACE_PAUSE_SECONDS = 600.0


class ReplicaWatch:
    """The watch over one replica.

    Args:
        life: the life of that replica.
        workers: replace a worker that has to go.
        settings: the holder of the settings.
        bus: tells of the worker's beats, and takes alerts.
    """

    def __init__(
        self,
        life: Lifecycle,
        workers: Replicas,
        settings: SettingsHolder,
        bus: Bus,
    ) -> None:
        self.life = life
        self.replica = life.replica
        self.memory = memory_series.memory_series()
        # Its own resident memory at the last look.
        self.host_bytes: int | None = None
        self._workers = workers
        self._settings = settings
        self._bus = bus
        self._rules = TrafficRules()
        self._recycling = Recycling(random.Random())
        self._replaced_at = -_REPLACE_PAUSE_SECONDS
        bus.subscribe(WorkerBeat, self._on_beat)

    def _on_beat(self, event: WorkerBeat) -> None:
        if event.replica != self.replica:
            return
        settings, whole = self._settings.current, self._workers.report.beat
        # All replicas share the queue: what waits there is one figure.
        told = replace(event.beat, queue_depth=whole.queue_depth if whole is not None else 0)
        for finding in self._rules.beat(
            time.monotonic(), event.pid, told, settings.limits.queue_length, settings.alerts
        ):
            if finding.has_begun or not finding.is_first:
                log.warning(
                    "traffic_rule",
                    kind=finding.kind,
                    begun=finding.has_begun,
                    replica=self.replica.name,
                )
            say = AlertRaised if finding.has_begun else AlertCleared
            key = "" if finding.kind == "queue_full" else self.replica.name
            self._bus.publish(say(finding.kind, finding.english, finding.chinese, key))

    def look(self, gpu: Gpu | None) -> None:
        """Look at memory, age and leaks once.

        Args:
            gpu: the one its worker is on.
        """
        life = self.life
        report, beat = life.report, life.report.beat
        host = self.host_bytes = resident_bytes(report.pid) if report.pid is not None else None
        own = gpu.used_by(life.pids()) if gpu is not None else None
        used = gpu.used_bytes if gpu is not None else None
        self.memory.add(memory_series.Memory(host, used, own))
        if report.state is not ServiceState.SERVING or beat is None or report.pid is None:
            return
        if host is None or report.replacement is not None:
            return
        cause = self._recycling.look(
            time.monotonic(),
            report.pid,
            report.began.age_seconds,
            Point(beat.answered + beat.failed, host, own or beat.gpu_reserved_bytes),
            beat.in_flight == 0,
            self._settings.current.worker,
        )
        if cause is None:
            return
        log.info("worker_is_recycled", worker_pid=report.pid, cause=cause[0])
        if self._recycling.leak is not None:
            english = f"The worker with pid {report.pid} is replaced: {cause[0]}."
            chinese = f"正在更换识别进程（pid {report.pid}）：{cause[1]}。"
            self._bus.publish(AlertRaised("leak", english, chinese, self.replica.name))
        self._workers.replace_one(self.replica, cause[0], may_overlap=True)

    @property
    def reserved_bytes(self) -> int:
        """GPU memory that its worker says it holds."""
        beat = self.life.report.beat
        return beat.gpu_reserved_bytes if beat is not None else 0

    def replace_for_gpu(self, cause: str) -> None:
        """Replace the worker, since its GPU has too little memory left."""
        now = time.monotonic()
        if now - self._replaced_at < _REPLACE_PAUSE_SECONDS:
            # It did not help the last time either: a loop of restarts would only add to it.
            log.warning("not_replaced_again", cause=cause)
            return
        self._replaced_at = now
        # Two at once would not fit where one is too much already.
        self._workers.replace_one(self.replica, cause, may_overlap=False)


class GpuShare:
    """The replicas on one GPU, as its guard sees them.

    Args:
        group: the replicas.
        workers: the workers of the whole service.
    """

    def __init__(self, group: Sequence[ReplicaWatch], workers: Replicas) -> None:
        self._group = group
        self._workers = workers

    def look(self) -> WorkerOnGpu:
        """What is known of the workers there."""
        reports = [one.life.report for one in self._group]
        return WorkerOnGpu(
            next((report.device for report in reports if report.device), ""),
            self._group[0].replica.visible_to(os.environ),
            self._workers.pids(),
            sum(one.reserved_bytes for one in self._group),
        )

    def release_cache(self) -> None:
        """Ask the workers there to give cached memory back."""
        for one in self._group:
            one.life.release_gpu_cache()

    def replace_largest(self, cause: str) -> None:
        """Replace the worker that holds most."""
        max(self._group, key=lambda one: one.reserved_bytes).replace_for_gpu(cause)


def by_gpu(replicas: Sequence[ReplicaWatch]) -> list[list[ReplicaWatch]]:
    """The replicas that share a GPU, GPU by GPU."""
    groups: dict[str | None, list[ReplicaWatch]] = {}
    for one in replicas:
        gpu = one.replica.gpu
        groups.setdefault(gpu.uuid if gpu is not None else None, []).append(one)
    return list(groups.values())
