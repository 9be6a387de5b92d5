"""Everything that watches the service and tells: GPU, disk, beats, crashes, age and leaks, and the
alerts they end in. Put together here; each has a file of its own. Owned by `daemon.py`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio
import anyio.abc
import structlog

from seacod.accelerators.nvidia import Gpu, GpuSampler, visible
from seacod.config.schema import Settings
from seacod.metrics import SupervisorMetrics
from seacod.paths import Paths
from seacod.protocol import Beat
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats
from seacod.supervisor.watch import crashes, evidence, memory_series
from seacod.supervisor.watch.alerting import Alerting
from seacod.supervisor.watch.crashes import Crash
from seacod.supervisor.watch.disk import Housekeeping
from seacod.supervisor.watch.gpu_guard import GpuActions, GpuGuard, WorkerOnGpu
from seacod.supervisor.watch.last_hour import History
from seacod.supervisor.watch.replica_watch import Replace, ReplicaWatch, by_gpu
from seacod.supervisor.workers.placement import Replica
from seacod.supervisor.workers.replicas import Replicas
from seacod.supervisor.workers.states import ServiceState

log = structlog.get_logger(__name__)

# Before a watch that broke is begun anew.
_BROKEN_PAUSE_SECONDS = 5.0
# So many crashes with the same recording within a day, and it is named.
_POISON_CRASHES = 2
_SUSPECT_SECONDS = 86_400.0
_MAX_SUSPECTS = 200


class Watches:
    """The watches of one service.

    Args:
        paths: where things lie.
        settings: asked each time; a reload may change them.
        workers: asked each time; they are made after this.
        replicas: of these workers.
        replace: has a new worker take over: the replica, its cause, and whether the old one may
            stay until then.
        metrics: where figures go.
        heartbeats: where the tasks show that they live.
        url: of the service.
    """

    def __init__(
        self,
        paths: Paths,
        settings: Callable[[], Settings],
        workers: Callable[[], Replicas],
        replicas: Sequence[Replica],
        replace: Replace,
        metrics: SupervisorMetrics,
        heartbeats: TaskHeartbeats,
        url: str,
    ) -> None:
        self._paths = paths
        self._settings = settings
        self._workers = workers
        self._metrics = metrics
        self._heartbeats = heartbeats
        self._url = url
        self.history = History()
        self._dossiers: asyncio.Queue[tuple[ReplicaWatch, Crash]] = asyncio.Queue()
        # Recordings that were with the model when a worker crashed, with the times.
        self._suspects: dict[str, list[float]] = {}
        self.alerting = Alerting(paths.state, lambda: settings().alerts, self._evidence, heartbeats)
        self.deduplicator = self.alerting.deduplicator
        self.replicas = [
            ReplicaWatch(
                replica,
                lambda n=replica.number: workers().lives[n],  # type: ignore[misc]
                settings,
                replace,
                self.deduplicator,
            )
            for replica in replicas
        ]
        self._guards = [self._guard(group) for group in by_gpu(self.replicas)]
        self.gpus = GpuSampler(
            lambda: settings().gpu.interval_seconds,
            on_sample=self._on_gpus,
            on_failure=self._on_gpu_failure,
            heartbeats=heartbeats,
        )
        self.housekeeping = Housekeeping(
            paths.temp, lambda: settings().storage, self.deduplicator, metrics.swept, heartbeats
        )

    def start(self, tasks: anyio.abc.TaskGroup) -> None:
        """Begin to watch; the tasks end with their group."""
        for name, run in (
            ("alerts", self.alerting.run),
            ("gpu", self.gpus.run),
            ("housekeeping", self.housekeeping.run),
            ("look", self._look),
            ("dossiers", self._keep_dossiers),
        ):
            # None so far is a figure, too.
            self._metrics.watch_failures.labels(name)
            tasks.start_soon(self._kept_going, name, run, name=name)

    async def _kept_going(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """A watch that breaks is begun anew: none is worth the service. One that keeps breaking
        gives no heartbeat, and the supervisor as a whole is begun anew by systemd's watchdog."""
        while True:
            try:
                await run()
            except Exception:
                log.exception("watch_broke", watch=name)
                self._metrics.watch_failures.labels(name).inc()
                await asyncio.sleep(_BROKEN_PAUSE_SECONDS)
            else:
                return

    async def finish(self) -> None:
        """The service ends: write and send what there is."""
        while not self._dossiers.empty():
            await self._keep(*self._dossiers.get_nowait())
        await self.alerting.finish()

    # -- what the lifecycle tells -----------------------------------------------------------

    def on_beat(self, replica: Replica, pid: int, beat: Beat) -> None:
        """The worker in front of a replica gave a sign of life."""
        whole = self._workers().report.beat
        self.replicas[replica.number].beat(pid, beat, whole.queue_depth if whole is not None else 0)

    def on_crash(self, replica: Replica, crash: Crash) -> None:
        """A worker ended that should not have."""
        watch = self.replicas[replica.number]
        self._dossiers.put_nowait((watch, crash))
        kind = "worker_hung" if crash.kind == "hung" else "worker_crashed"
        count = crash.in_flight
        lost = f"by its last beat, {count} requests were inside" if count else "it was idle"
        lost_zh = (
            f"最后一次心跳时有 {count} 个请求在处理" if count else "最后一次心跳时没有请求在处理"
        )
        self.deduplicator.raised(
            kind,
            f"The worker with pid {crash.pid} ended: {crash.cause}; {lost}. It is being replaced.",
            f"识别进程（pid {crash.pid}）已退出：{crash.cause}；{lost_zh}。正在恢复。",
            key=replica.name,
            exit_status=crash.status,
            last_recording=crash.running,
            served_seconds=None if crash.served_seconds is None else round(crash.served_seconds),
            memory_of_the_last_ten_minutes=watch.curves.in_words(),
            dossier=str(crashes.directory_of(self._paths.state, crash)),
            last_lines_of_the_worker=list(crash.last_lines),
            _picture=str(crashes.directory_of(self._paths.state, crash) / crashes.PICTURE),
        )

        self._look_for_poison(crash)

    def _look_for_poison(self, crash: Crash) -> None:
        """A recording that was with the model in more than one crash is probably their cause."""
        for recording in filter(None, crash.running.split("; ")):
            since = crash.at - _SUSPECT_SECONDS
            times = [t for t in self._suspects.get(recording, []) if t > since] + [crash.at]
            self._suspects[recording] = times
            count = len(times)
            if count < _POISON_CRASHES:
                continue
            log.error("poison_suspected", recording=recording, crashes=count)
            self.deduplicator.raised(
                "poison",
                f"The recording {recording} was with the model in {count} crashes within a day; "
                "ask who sends it to stop, and keep it for a report.",
                f"录音 {recording} 在一天内的 {count} 次崩溃中都正在被识别；"
                "请让发送者停止提交，并保留该文件以便排查。",
                key=recording,
            )
        while len(self._suspects) > _MAX_SUSPECTS:
            self._suspects.pop(next(iter(self._suspects)))

    # -- GPU --------------------------------------------------------------------------------

    def _guard(self, group: Sequence[ReplicaWatch]) -> GpuGuard:
        """The guard of one GPU, for all replicas on it."""
        first = group[0].replica

        def on_it() -> WorkerOnGpu:
            beats = [one.life.report.beat for one in group]
            return WorkerOnGpu(
                next((one.life.report.device for one in group if one.life.report.device), ""),
                first.visible_to(os.environ),
                self._workers().pids(),
                sum(beat.gpu_reserved_bytes for beat in beats if beat is not None),
            )

        def release() -> None:
            for one in group:
                one.life.release_gpu_cache()

        def replace(cause: str) -> None:
            max(group, key=_reserved).replace_for_gpu(cause)

        return GpuGuard(
            lambda: self._settings().gpu, on_it, GpuActions(release, replace), self.deduplicator
        )

    def _on_gpus(self, gpus: list[Gpu]) -> None:
        self._metrics.set_gpus(gpus, self._workers().pids())
        for guard in self._guards:
            guard.sampled(gpus)

    def _on_gpu_failure(self, problem: str) -> None:
        self._metrics.set_gpus([])
        self._guards[0].failed(problem)

    def gpu_in_use(self, replica: ReplicaWatch | None = None) -> Gpu | None:
        """That of the worker of a replica; by default the first."""
        one = replica or self.replicas[0]
        environment = one.replica.visible_to(os.environ)
        return visible(self.gpus.gpus, one.life.report.device, environment)

    # -- tasks ------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Memory curves, age, leaks."""
        while True:
            self._heartbeats.expect("look", memory_series.INTERVAL_SECONDS)
            self._look_once()
            await asyncio.sleep(memory_series.INTERVAL_SECONDS)

    def _look_once(self) -> None:
        for replica in self.replicas:
            replica.look(self.gpu_in_use(replica))
        report = self._workers().report
        sizes = [replica.host_bytes for replica in self.replicas if replica.host_bytes is not None]
        self.history.look(
            tuple(replica.life.report.pid for replica in self.replicas),
            report.beat if report.state is ServiceState.SERVING else None,
            sum(sizes) if sizes else None,
            self.gpu_in_use(),
        )

    async def _keep_dossiers(self) -> None:
        while True:
            await self._keep(*await self._dossiers.get())

    async def _keep(self, replica: ReplicaWatch, crash: Crash) -> None:
        await asyncio.to_thread(
            crashes.keep, self._paths.state, crash, self._evidence(), replica.curves.all()
        )

    def _evidence(self) -> dict[str, Any]:
        return evidence.gather(
            self._workers().report, self.gpus, self.housekeeping.free_bytes, self._url
        )


def _reserved(one: ReplicaWatch) -> int:
    """What the worker of a replica says it holds on its GPU."""
    beat = one.life.report.beat
    return beat.gpu_reserved_bytes if beat is not None else 0
