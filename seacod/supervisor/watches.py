"""Everything that watches the service and tells: GPU, disk, beats, crashes, age and leaks, and the
alerts they end in. Put together here; each has a file of its own. Owned by `daemon.py`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.abc
import structlog

from seacod.alerts.rules import TrafficRules
from seacod.config.schema import Settings
from seacod.metrics import SupervisorMetrics
from seacod.paths import Paths
from seacod.protocol import Beat
from seacod.supervisor import crashes, curves, evidence
from seacod.supervisor.alerting import Alerting
from seacod.supervisor.crashes import Crash
from seacod.supervisor.gpu import Gpu, GpuSampler, visible
from seacod.supervisor.gpu_guard import GpuActions, GpuGuard, WorkerOnGpu
from seacod.supervisor.history import History
from seacod.supervisor.housekeeping import Housekeeping
from seacod.supervisor.lifecycle import Lifecycle
from seacod.supervisor.memory import resident_bytes
from seacod.supervisor.pulse import Pulses
from seacod.supervisor.recycling import Point, Recycling
from seacod.supervisor.states import ServiceState

log = structlog.get_logger(__name__)

# How long a replaced worker is waited for before the GPU may ask for another one.
_REPLACE_PAUSE_SECONDS = 600.0
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
        lifecycle: asked each time; it is made after this.
        replace: has a new worker take over: its cause, and whether the old one may stay until then.
        metrics: where figures go.
        pulses: where the tasks show that they live.
        url: of the service.
    """

    def __init__(
        self,
        paths: Paths,
        settings: Callable[[], Settings],
        lifecycle: Callable[[], Lifecycle],
        replace: Callable[[str, bool], None],
        metrics: SupervisorMetrics,
        pulses: Pulses,
        url: str,
    ) -> None:
        self._paths = paths
        self._settings = settings
        self._lifecycle = lifecycle
        self._replace = replace
        self._metrics = metrics
        self._pulses = pulses
        self._url = url
        self._rules = TrafficRules()
        self._recycling = Recycling(random.Random())
        self._curves = curves.Curves()
        self.history = History()
        self._dossiers: asyncio.Queue[Crash] = asyncio.Queue()
        # Recordings that were with the model when a worker crashed, with the times.
        self._suspects: dict[str, list[float]] = {}
        self._replaced_at = -_REPLACE_PAUSE_SECONDS
        self.alerting = Alerting(paths.state, lambda: settings().alerts, self._evidence, pulses)
        self.desk = self.alerting.desk
        guard = GpuGuard(
            lambda: settings().gpu,
            self._worker_on_gpu,
            GpuActions(lambda: lifecycle().release_gpu_cache(), self._replace_for_gpu),
            self.desk,
        )
        self.gpus = GpuSampler(
            lambda: settings().gpu.interval_seconds,
            on_sample=lambda gpus: self._on_gpus(gpus, guard),
            on_failure=lambda problem: self._on_gpu_failure(problem, guard),
            pulses=pulses,
        )
        self.housekeeping = Housekeeping(
            paths.temp, lambda: settings().storage, self.desk, metrics.swept, pulses
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
        shows no pulse, and the supervisor as a whole is begun anew by systemd's watchdog."""
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
            await self._keep(self._dossiers.get_nowait())
        await self.alerting.finish()

    # -- what the lifecycle tells -----------------------------------------------------------

    def on_beat(self, pid: int, beat: Beat) -> None:
        """The worker in front gave a sign of life."""
        settings = self._settings()
        for finding in self._rules.beat(
            time.monotonic(), pid, beat, settings.limits.queue_length, settings.alerts
        ):
            log.warning("traffic_rule", kind=finding.kind, begun=finding.has_begun)
            if finding.has_begun:
                self.desk.raised(finding.kind, finding.english, finding.chinese)
            else:
                self.desk.cleared(finding.kind, finding.english, finding.chinese)

    def on_crash(self, crash: Crash) -> None:
        """A worker ended that should not have."""
        self._dossiers.put_nowait(crash)
        kind = "worker_hung" if crash.kind == "hung" else "worker_crashed"
        count = crash.in_flight
        lost = f"by its last beat, {count} requests were inside" if count else "it was idle"
        lost_zh = (
            f"最后一次心跳时有 {count} 个请求在处理" if count else "最后一次心跳时没有请求在处理"
        )
        self.desk.raised(
            kind,
            f"The worker with pid {crash.pid} ended: {crash.cause}; {lost}. It is being replaced.",
            f"识别进程（pid {crash.pid}）已退出：{crash.cause}；{lost_zh}。正在恢复。",
            exit_status=crash.status,
            last_recording=crash.running,
            served_seconds=None if crash.served_seconds is None else round(crash.served_seconds),
            memory_of_the_last_ten_minutes=self._curves.in_words(),
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
            self.desk.raised(
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

    def _worker_on_gpu(self) -> WorkerOnGpu:
        lifecycle = self._lifecycle()
        beat = lifecycle.report.beat
        return WorkerOnGpu(
            lifecycle.report.device, lifecycle.pids(), beat.gpu_reserved_bytes if beat else 0
        )

    def _on_gpus(self, gpus: list[Gpu], guard: GpuGuard) -> None:
        self._metrics.set_gpus(gpus, self._lifecycle().pids())
        guard.sampled(gpus)

    def _on_gpu_failure(self, problem: str, guard: GpuGuard) -> None:
        self._metrics.set_gpus([])
        guard.failed(problem)

    def _replace_for_gpu(self, cause: str) -> None:
        now = time.monotonic()
        if now - self._replaced_at < _REPLACE_PAUSE_SECONDS:
            # It did not help the last time either: a loop of restarts would only add to it.
            log.warning("not_replaced_again", cause=cause)
            return
        self._replaced_at = now
        # Two at once would not fit where one is too much already.
        self._replace(cause, False)

    def gpu_in_use(self) -> Gpu | None:
        """That of the worker in front."""
        return visible(self.gpus.gpus, self._lifecycle().report.device)

    # -- tasks ------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Memory curves, age, leaks."""
        while True:
            self._pulses.expect("look", curves.INTERVAL_SECONDS)
            self._look_once()
            await asyncio.sleep(curves.INTERVAL_SECONDS)

    def _look_once(self) -> None:
        lifecycle = self._lifecycle()
        report, beat = lifecycle.report, lifecycle.report.beat
        host = resident_bytes(report.pid) if report.pid is not None else None
        gpu = self.gpu_in_use()
        own = gpu.used_by(lifecycle.pids()) if gpu is not None else None
        used = gpu.used_bytes if gpu is not None else None
        self._curves.add(curves.Moment(time.time(), host, used, own))
        is_serving = report.state is ServiceState.SERVING
        self.history.look(report.pid, beat if is_serving else None, host, gpu)
        if not is_serving or beat is None or report.pid is None:
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
            self.desk.raised(
                "leak",
                f"The worker with pid {report.pid} is replaced: {cause}.",
                f"正在更换识别进程（pid {report.pid}）：{cause}。",
            )
        self._replace(cause, True)

    async def _keep_dossiers(self) -> None:
        while True:
            await self._keep(await self._dossiers.get())

    async def _keep(self, crash: Crash) -> None:
        await asyncio.to_thread(
            crashes.keep, self._paths.state, crash, self._evidence(), self._curves.all()
        )

    def _evidence(self) -> dict[str, Any]:
        return evidence.gather(
            self._lifecycle().report, self.gpus, self.housekeeping.free_bytes, self._url
        )
