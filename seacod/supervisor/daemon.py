"""The supervisor itself: puts its parts together, turns signals into events, ends in order.

`Supervisor.run` is `seacod run`. The workers' lives are in `replicas.py`; here is what belongs to
the service as a whole: socket, lock, signals, systemd, metrics page, status socket.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

import anyio
import structlog

from seacod import __version__, logs
from seacod.accelerators.nvidia import Gpu
from seacod.config import changes
from seacod.config.schema import Settings
from seacod.errors import EX_OK, ConfigError, SeacodError
from seacod.metrics import Present, SupervisorMetrics
from seacod.paths import Paths
from seacod.shared_load import SLOTS_A_REPLICA, SharedLoad
from seacod.supervisor import scrape, status
from seacod.supervisor.metrics_server import MetricsServer
from seacod.supervisor.reload import Reloads, ReloadState
from seacod.supervisor.sockets.fallback import Fallback
from seacod.supervisor.sockets.listener import Listener, acquire, bind
from seacod.supervisor.sockets.shared_fallback import SharedFallback
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats
from seacod.supervisor.systemd.notify import Notifier
from seacod.supervisor.watch.crashes import Crash
from seacod.supervisor.watch.watches import Watches
from seacod.supervisor.workers import lifecycle
from seacod.supervisor.workers.events import Probed
from seacod.supervisor.workers.exits import ExitKind
from seacod.supervisor.workers.host_memory import HostMemoryGate
from seacod.supervisor.workers.lifecycle import Hooks, Lifecycle
from seacod.supervisor.workers.placement import Replica, place
from seacod.supervisor.workers.probe import probe_forever
from seacod.supervisor.workers.process import WORKER_COMMAND
from seacod.supervisor.workers.replicas import Replicas
from seacod.supervisor.workers.states import ServiceState, WorkerState

log = structlog.get_logger(__name__)

_WATCH_SECONDS = 1.0
# systemd's start time-out is moved this far ahead each second while a start goes on.
_EXTEND_START_SECONDS = 30.0

_EXPLANATIONS = {
    ServiceState.ABSENT: "no worker",
    ServiceState.STARTING: "starting",
    ServiceState.SERVING: "serving",
    ServiceState.DRAINING: "finishing running requests",
    ServiceState.STOPPING: "stopping the worker",
    ServiceState.BACKING_OFF: "the worker ended; waiting to start it again",
    ServiceState.CRASH_LOOPING: "CRASH LOOP: the worker keeps ending; trying again slowly",
}


class Supervisor:
    """One seacod service.

    Args:
        settings: the settings to begin with.
        reload_settings: reads them anew (SIGHUP); raises `ConfigError` when they are wrong.
        announce: called once, when the model first answers, with this supervisor.
        worker_command: what a worker is; see `WorkerProcess`.
        host_memory: whether a second worker fits into memory.
    """

    def __init__(
        self,
        settings: Settings,
        reload_settings: Callable[[], Settings],
        announce: Callable[[Supervisor], None],
        worker_command: Sequence[str] = WORKER_COMMAND,
        host_memory: HostMemoryGate | None = None,
    ) -> None:
        self.settings = settings
        self.started_at = time.time()
        self.notifier = Notifier()
        self.reloads = Reloads()
        self._heartbeats = TaskHeartbeats(time.monotonic)
        self._reload_settings = reload_settings
        self._announce = announce
        self._is_announced = False
        self._before_reload = settings
        self._worker_command = worker_command
        self._host_memory = host_memory or HostMemoryGate()
        self.paths = Paths.resolve(settings)
        self.listener: Listener
        self.workers: Replicas
        self.watches: Watches
        self.metrics_server: MetricsServer | None = None
        self._replicas = [Replica()]

    async def run(self) -> int:
        """Serve until told to stop.

        Returns:
            The exit code: 0 after an orderly stop, otherwise why the first start was given up.

        Raises:
            SeacodError: the service cannot begin: the address is taken, a directory cannot be
                written to, another service runs.
        """
        try:
            return await self._run()
        except SeacodError as error:
            cause = error.__context__
            number = cause.errno if isinstance(cause, OSError) else None
            self.notifier.failed(error.exit_code, error.message, number)
            raise

    async def _run(self) -> int:
        self.paths.make()
        lock = _take_lock(self.paths.runtime)
        try:
            self.listener = acquire(self.settings.server.host, self.settings.server.port)
            self._warn_of_ignored_address()
            metrics = SupervisorMetrics(self.paths.runtime)
            metrics.build.labels(__version__).set(1)
            replicas = self._replicas = await place(self.settings)
            shared_load = SharedLoad.fresh(self.paths.shared_load, len(replicas) * SLOTS_A_REPLICA)
            for kind in ExitKind:
                # A series that began with its first restart would show no increase of it.
                metrics.restarts.labels(kind.value)
            metrics_server = self.metrics_server = self._metrics_server(metrics)
            fallback = Fallback(
                self.listener.socket,
                lambda: self.workers.retry_after_seconds(),
                metrics.fallback.inc,
            )
            self.watches = Watches(
                self.paths,
                lambda: self.settings,
                lambda: self.workers,
                replicas,
                self._replace_worker,
                metrics,
                self._heartbeats,
                self.listener.local_url,
            )
            fallbacks = SharedFallback(fallback, len(replicas))
            worker_settings = self._worker_settings(self.settings)

            def gone(slot: str) -> None:
                metrics.worker_gone(slot)
                shared_load.clear(int(slot.removeprefix("worker")))

            def life(replica: Replica, workers: Replicas) -> Lifecycle:
                return Lifecycle(
                    replica,
                    self.listener,
                    worker_settings,
                    fallbacks.leaf(replica.number),
                    self._hooks(replica, workers, metrics, gone),
                    worker_command=self._worker_command,
                    host_memory=self._host_memory,
                )

            self.workers = Replicas(
                replicas, life, worker_settings, self._on_replaced, lambda: self._on_change(metrics)
            )
            sockets = (
                status.StatusSocket(self.paths.status_socket, self.snapshot),
                status.StatusSocket(self.paths.page_socket, self._snapshot_for_page),
            )
            for replica in replicas:
                self._heartbeats.expect(replica.named("lifecycle"), lifecycle.TICK_SECONDS)
            self._catch_signals()
            log.info("supervisor_started", version=__version__, url=self.listener.local_url)
            for status_socket in sockets:
                await status_socket.open()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._watch, name="watch")
                for replica in replicas:
                    tasks.start_soon(self._probe, replica, name=replica.named("probe"))
                self.watches.start(tasks)
                if metrics_server is not None:
                    tasks.start_soon(metrics_server.run, name="metrics")
                await self.workers.run(self._heartbeats.touch, self._heartbeats.forget)
                if metrics_server is not None:
                    metrics_server.stop()
                for status_socket in sockets:
                    await status_socket.close()
                await fallback.finish()
                tasks.cancel_scope.cancel()
            await self.watches.finish()
            return self._end()
        finally:
            lock.close()

    def _hooks(
        self,
        replica: Replica,
        workers: Replicas,
        metrics: SupervisorMetrics,
        gone: Callable[[str], None],
    ) -> Hooks:
        """Who hears what the life of one replica tells: what concerns all workers, they
        themselves."""
        deduplicator = self.watches.deduplicator
        return Hooks(
            changed=workers.on_changed,
            beat=lambda pid, beat: self.watches.on_beat(replica, pid, beat),
            crashed=lambda crash: self._on_crash(replica, metrics, crash),
            gone=gone,
            replaced=lambda problem: workers.on_replaced(replica, problem),
            raised=lambda kind, en, zh: deduplicator.raised(kind, en, zh, key=replica.name),
            cleared=lambda kind, en, zh: deduplicator.cleared(kind, en, zh, key=replica.name),
            blamed=workers.on_blamed,
            may_end=lambda: workers.may_end(replica),
        )

    def snapshot(self) -> dict[str, object]:
        """What `seacod status` shows."""
        return status.snapshot(
            self.workers.report,
            workers=[(life.replica, life.report) for life in self.workers.lives],
            started_at=self.started_at,
            version=__version__,
            url=self.listener.local_url,
            metrics=self.metrics_server,
            paths=self.paths,
            reloads=self.reloads,
            gpus=self.watches.gpus,
            alerts=self.watches.alerting.outbox,
        )

    def _snapshot_for_page(self) -> dict[str, object]:
        return status.for_page(
            self.workers.report,
            workers=[life.report for life in self.workers.lives],
            started_at=self.started_at,
            gpu=self.watches.gpu_in_use(),
            alerts=self.watches.alerting.outbox,
            history=self.watches.history.as_lists(),
        )

    # -- parts ------------------------------------------------------------------------------

    def _metrics_server(self, metrics: SupervisorMetrics) -> MetricsServer | None:
        if self.settings.metrics.port == 0:
            return None
        bound = bind(self.settings.metrics.host, self.settings.metrics.port, "metrics")
        listener = Listener(bound, is_from_systemd=False)
        return MetricsServer(listener, metrics, lambda: metrics.set_present(self._present()))

    def _present(self) -> Present:
        """For a scrape."""
        return scrape.snapshot(
            self.settings,
            self.paths,
            [life.report for life in self.workers.lives],
            self.workers.report,
            self.watches,
            watchdog_at=self.notifier.watchdog_at,
        )

    def _worker_settings(self, settings: Settings) -> Settings:
        """The settings with the directories filled in, so that both sides use the same."""
        paths = settings.paths.model_copy(
            update={
                "state_directory": self.paths.state,
                "runtime_directory": self.paths.runtime,
                "temp_directory": self.paths.temp,
            }
        )
        asr = settings.asr.model_copy(update={"models_directory": self.paths.models})
        whole = settings.model_copy(update={"paths": paths, "asr": asr})
        return self._replicas[0].settings(whole)

    def _warn_of_ignored_address(self) -> None:
        """With a socket from systemd the configured port has no effect: say so, once."""
        listener, server = self.listener, self.settings.server
        if listener.is_from_systemd and server.port not in (listener.port, 7860):
            log.warning(
                "server_port_ignored",
                configured=server.port,
                listening=listener.port,
                hint="seacod.socket decides: systemctl edit seacod.socket",
            )

    # -- signals ----------------------------------------------------------------------------

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop_signal, number)
        loop.add_signal_handler(signal.SIGHUP, self._on_reload_signal)
        loop.add_signal_handler(signal.SIGUSR1, self._on_reopen_signal)

    def _on_stop_signal(self, number: signal.Signals) -> None:
        self.notifier.stopping()
        self.workers.stop(f"{number.name} received")

    def _on_reload_signal(self) -> None:
        self.reloads.begin()
        if self._is_announced:
            self.notifier.reloading()
        try:
            fresh = self._reload_settings()
        except ConfigError as error:
            log.error("configuration_refused", error=error.message, hint="the old one goes on")
            self.watches.deduplicator.raised(
                "configuration",
                f"The file was not taken over; the settings before stay in use: {error.message}",
                f"新的配置未生效，继续使用之前的配置：{error.message}",
            )
            self._end_reload(error.message)
            return
        changed = changes.compare(self.settings, fresh)
        if changed.restart:
            log.warning(
                "restart_needed",
                keys=list(changed.restart),
                hint="these take effect with: systemctl restart seacod",
            )
            fresh = changes.without(fresh, self.settings, changed.restart)
        self.reloads.found(changed)
        log.info(
            "configuration_reloaded" if changed else "configuration_unchanged",
            live=list(changed.live), replace=list(changed.replace),
        )  # fmt: skip
        self._before_reload, self.settings = self.settings, fresh
        worker_settings = self._worker_settings(fresh)
        is_waiting = self.workers.report.state in (
            ServiceState.BACKING_OFF,
            ServiceState.CRASH_LOOPING,
        )
        if changed.replace or is_waiting:
            # While it waits for the next try, a reload is the operator's "try now".
            # The new worker brings the live ones along, so that a refusal leaves nothing behind.
            self.workers.replace(worker_settings, "new configuration")
        else:
            if changed.live:
                self.workers.apply(worker_settings, changed.live)
            self._end_reload(None)

    def _on_replaced(self, problem: str | None) -> None:
        if self.reloads.state is not ReloadState.RUNNING:
            return  # a replacement that no reload asked for
        if problem is not None:
            self.settings = self._before_reload
        self._end_reload(problem)

    def _replace_worker(self, replica: Replica, cause: str, may_overlap: bool) -> None:
        """What a watch can ask for."""
        settings = self._worker_settings(self.settings)
        self.workers.replace_one(replica, settings, cause, may_overlap=may_overlap)

    def _on_crash(self, replica: Replica, metrics: SupervisorMetrics, crash: Crash) -> None:
        metrics.restarts.labels(crash.kind).inc()
        self.watches.on_crash(replica, crash)

    def _end_reload(self, problem: str | None) -> None:
        if problem is None and any(key.startswith("log.") for key in self.reloads.changed.live):
            logs.configure(self.settings.log, "supervisor")
        self.reloads.end(problem)
        if self._is_announced:
            self.notifier.ready()

    def _on_reopen_signal(self) -> None:
        logs.reopen()
        self.workers.reopen_logs()
        log.info("logs_reopened")

    # -- telling ----------------------------------------------------------------------------

    def _on_change(self, metrics: SupervisorMetrics) -> None:
        report = self.workers.report
        metrics.set_worker_state(report.state.value)
        metrics.set_away_seconds(report.total_away_seconds)
        if report.state is ServiceState.SERVING and not self._is_announced:
            self._is_announced = True
            self.notifier.ready()
            self._announce(self)
        self.notifier.status(self._status_text())

    def _status_text(self) -> str:
        report = self.workers.report
        parts = [_EXPLANATIONS[report.state] + (f" ({report.stage})" if report.stage else "")]
        parts.append(f"port {self.listener.port}")
        if len(self._replicas) > 1:
            parts.append(f"{self.workers.serving()} of {len(self._replicas)} workers serve")
        if report.state is ServiceState.SERVING:
            parts.append(f"model {report.model} on {report.device}")
            beat = report.beat
            parts.append(f"{beat.in_flight if beat else 0} in flight")
            parts.append(f"{beat.queue_depth if beat else 0} waiting")
            gpu = self.watches.gpu_in_use()
            parts += [_memory(gpu)] if gpu is not None else []
        if report.replacement is not None:
            parts.append("a worker with new settings is loading")
        elif report.spare is not None:
            parts.append(
                "spare ready" if report.spare.state is WorkerState.WARM else "spare loading"
            )
        last = f" (last: {report.last_causes[-1]})" if report.last_causes else ""
        parts.append(f"{report.restarts} restarts{last}")
        return ", ".join(parts)

    async def _watch(self) -> None:
        """Once a second: prove that the tasks live, keep systemd's picture fresh."""
        while True:
            late = self._heartbeats.late()
            if late:
                log.error("supervisor_task_late", **{k: round(v, 1) for k, v in late.items()})
            else:
                self.notifier.watchdog()
            starting = self.workers.report.state is ServiceState.STARTING
            if starting and not self._is_announced:
                remaining = self.workers.seconds_until_deadline() or 0.0
                self.notifier.extend_start(min(remaining, _EXTEND_START_SECONDS) + 1.0)
            self.notifier.status(self._status_text())
            await asyncio.sleep(_WATCH_SECONDS)

    async def _probe(self, replica: Replica) -> None:
        """Ask a worker over HTTP, as a client would."""
        life = self.workers.lives[replica.number]

        def address() -> str | Path | None:
            slot = life.slot
            if slot is None:
                return None
            # Through the fallback it would be answered by whoever is quicker.
            return self.paths.worker_socket(slot) if replica.count > 1 else self.listener.local_url

        await probe_forever(
            address,
            name=replica.named("probe"),
            settings=lambda: self.settings.supervisor,
            tell=lambda problem: life.events.put(Probed(problem)),
            heartbeats=self._heartbeats,
        )

    def _end(self) -> int:
        code = self.workers.fatal_exit_code
        if code is None:
            log.info("supervisor_stopped")
            return EX_OK
        self.notifier.failed(code, self.workers.fatal_message)
        log.error("supervisor_gave_up", exit_code=code, text=self.workers.fatal_message)
        return code


def _memory(gpu: Gpu) -> str:
    return f"GPU {gpu.used_bytes >> 20} of {gpu.total_bytes >> 20} MiB"


def _take_lock(runtime: Path) -> TextIO:
    """One service a runtime directory: two would read each other's metrics and status.

    Raises:
        SeacodError: another service holds it.
    """
    path = runtime / "lock"
    lock = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        pid = lock.read().strip() or "?"
        lock.close()
        raise SeacodError(
            f"another seacod (pid {pid}) uses {runtime}; stop it, or set "
            "SEACOD_PATHS_RUNTIME_DIRECTORY to another directory for this one",
            f"另一个 seacod（pid {pid}）正在使用 {runtime}；请先停止它，或为本服务设置"
            " SEACOD_PATHS_RUNTIME_DIRECTORY",
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
