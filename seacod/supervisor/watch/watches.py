"""Everything that watches the service: GPU, disk, beats, crashes, age and leaks, and the alerts
they end in. Put together here; each has a file of its own. Owned by `daemon.py`.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import anyio
import anyio.abc

from seacod.accelerators.base import Gpu
from seacod.accelerators.registry import visible
from seacod.metrics import SupervisorMetrics
from seacod.supervisor.bus import Bus
from seacod.supervisor.kept_going import kept_going
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats
from seacod.supervisor.watch import evidence, memory_series
from seacod.supervisor.watch.alerting import Alerting
from seacod.supervisor.watch.crash_watch import CrashWatch
from seacod.supervisor.watch.disk import Housekeeping
from seacod.supervisor.watch.gpu_guard import GpuGuard, LostGpus, UnusedGpus
from seacod.supervisor.watch.gpu_sampler import GpuSampler
from seacod.supervisor.watch.last_hour import History
from seacod.supervisor.watch.replica_watch import GpuShare, ReplicaWatch, by_gpu
from seacod.supervisor.watch.subjects import Subjects
from seacod.supervisor.workers.replicas import Replicas
from seacod.supervisor.workers.states import ServiceState
from seacod.system.clock_jumps import FILE as CLOCK_FILE
from seacod.system.clock_jumps import ClockJumps


class Watches:
    """The watches of one service.

    Args:
        settings: the holder of the settings.
        workers: who is watched.
        bus: tells what happens to them.
        metrics: where figures go.
        heartbeats: where the tasks show that they live.
        url: the address of the service.
    """

    def __init__(
        self,
        settings: SettingsHolder,
        workers: Replicas,
        bus: Bus,
        metrics: SupervisorMetrics,
        heartbeats: TaskHeartbeats,
        url: str,
    ) -> None:
        self._workers = workers
        self._metrics = metrics
        self._heartbeats = heartbeats
        self._url = url
        self.history = History()
        clock = ClockJumps(settings.paths.state / CLOCK_FILE)
        self.alerting = Alerting(settings, self._evidence, heartbeats, bus, clock)
        self.replicas = [ReplicaWatch(life, workers, settings, bus) for life in workers.lives]
        self.gpus = GpuSampler(
            settings,
            on_sample=self._on_gpus,
            on_failure=self._on_gpu_failure,
            on_lost=LostGpus(bus).look,
            heartbeats=heartbeats,
        )
        self._guards = [
            GpuGuard(settings, GpuShare(group, workers), bus) for group in by_gpu(self.replicas)
        ]
        self._subjects = Subjects(
            settings, [life.replica for life in workers.lives], self.gpus, self._guards
        )
        self._unused = UnusedGpus(
            settings, lambda: [one.report.device for one in workers.lives if one.report.device]
        )
        self.housekeeping = Housekeeping(settings, bus, metrics.swept, heartbeats, clock)
        self._crashes = CrashWatch(settings.paths.state, self.replicas, self._evidence, bus)

    def start(self, tasks: anyio.abc.TaskGroup) -> None:
        """Begin to watch; the tasks end with their group."""
        for name, run in (
            ("alerts", self.alerting.run),
            ("gpu", self.gpus.run),
            ("housekeeping", self.housekeeping.run),
            ("look", self._look),
            ("dossiers", self._crashes.run),
        ):
            tasks.start_soon(kept_going, name, run, self._metrics, name=name)

    async def finish(self) -> None:
        """The service ends: write and send what there is."""
        await self._crashes.finish()
        await self.alerting.finish()

    # -- GPU --------------------------------------------------------------------------------

    def _on_gpus(self, gpus: list[Gpu]) -> None:
        for guard in self._guards:
            guard.sampled(gpus)
        self._unused.sampled(gpus)
        self._metrics.set_gpus(gpus, self._workers.pids(), self.full_by_others())

    def _on_gpu_failure(self, problem: str) -> None:
        self._metrics.set_gpus([])
        self._guards[0].failed(problem)

    def full_by_others(self) -> frozenset[int]:
        """The GPUs that others keep nearly full, by their number."""
        full = self._unused.full_by_others.union(*(one.full_by_others for one in self._guards))
        return frozenset(gpu.index for gpu in self.gpus.gpus if gpu.uuid in full)

    def gpu_in_use(self, replica: ReplicaWatch | None = None) -> Gpu | None:
        """The GPU that the worker of a replica uses; by default of the first replica."""
        one = replica or self.replicas[0]
        environment = one.replica.visible_to(os.environ)
        return visible(self.gpus.gpus, one.life.report.device, environment)

    # -- tasks ------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Look again and again at memory, age and leaks."""
        while True:
            self._heartbeats.expect("look", memory_series.INTERVAL_SECONDS)
            self._look_once()
            await asyncio.sleep(memory_series.INTERVAL_SECONDS)

    def _look_once(self) -> None:
        for replica in self.replicas:
            replica.look(self.gpu_in_use(replica))
        self.alerting.close_gone(self._subjects.has)
        report = self._workers.report
        sizes = [replica.host_bytes for replica in self.replicas if replica.host_bytes is not None]
        self.history.look(
            tuple(replica.life.report.pid for replica in self.replicas),
            report.beat if report.state is ServiceState.SERVING else None,
            sum(sizes) if sizes else None,
            self.gpu_in_use(),
        )

    def _evidence(self) -> dict[str, Any]:
        return evidence.gather(
            self._workers.report, self.gpus, self.housekeeping.free_bytes, self._url
        )
