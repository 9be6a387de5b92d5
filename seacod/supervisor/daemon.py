"""The supervisor itself: its parts, made one from the other, and its main loop.

`Supervisor.run` is `seacod run`. The workers' lives are in `workers/`, what is watched in `watch/`;
here is only what holds them together.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import anyio
import anyio.abc
import structlog

from seacod import __version__, logs
from seacod.config.load import SettingsSource
from seacod.config.schema import Settings
from seacod.errors import EX_OK, SeacodError
from seacod.metrics import SupervisorMetrics
from seacod.metrics.present import PresentFigures
from seacod.shared_load import SLOTS_A_REPLICA, SharedLoad
from seacod.supervisor import lock, scrape, status
from seacod.supervisor.bus import Bus, PauseChanged, StateChanged, WorkerCrashed, WorkerGone
from seacod.supervisor.clock import Moment
from seacod.supervisor.kept_going import kept_going
from seacod.supervisor.metrics_server import MetricsServer
from seacod.supervisor.pausing import Pausing
from seacod.supervisor.reload import Reloader
from seacod.supervisor.replica import Replica
from seacod.supervisor.runtime_upkeep import AddressFile, MappedFile, RuntimeFile, RuntimeUpkeep
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.signals import Signals
from seacod.supervisor.sockets.acquire import acquire, remove_files, wanted
from seacod.supervisor.sockets.fallback import Fallback
from seacod.supervisor.sockets.inherited import from_systemd
from seacod.supervisor.sockets.listener import Listeners
from seacod.supervisor.sockets.unix_path import unix_paths
from seacod.supervisor.status_text import start_progress, status_text
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats
from seacod.supervisor.systemd.notify import Notifier
from seacod.supervisor.watch.suspects import Suspects
from seacod.supervisor.watch.watches import Watches
from seacod.supervisor.workers.exits import ExitKind
from seacod.supervisor.workers.host import Host
from seacod.supervisor.workers.nurseries import CHECK_SECONDS, Nurseries, reap_orphans
from seacod.supervisor.workers.nursery import NURSERY_COMMAND
from seacod.supervisor.workers.placement import place
from seacod.supervisor.workers.probe import probe_forever
from seacod.supervisor.workers.replicas import Replicas
from seacod.supervisor.workers.start_times import StartTimes
from seacod.supervisor.workers.states import ServiceState
from seacod.system.processes.parent_death import adopt_orphans
from seacod.with_model import ModelTable

log = structlog.get_logger(__name__)

_WATCH_SECONDS = 1.0
# systemd's start time-out is moved this far ahead each second while a start goes on.
_EXTEND_START_SECONDS = 30.0


class Supervisor:
    """One seacod service.

    Args:
        settings: the settings to begin with.
        source: where they are read anew (SIGHUP).
        announce: called once, when the model first answers, with this supervisor.
        nursery_command: what workers are forked from; see `Nurseries`.
    """

    listeners: Listeners
    workers: Replicas
    metrics_server: MetricsServer | None

    def __init__(
        self,
        settings: Settings,
        source: SettingsSource,
        announce: Callable[[Supervisor], None],
        nursery_command: Sequence[str] = NURSERY_COMMAND,
    ) -> None:
        self._began = Moment()
        self._settings = SettingsHolder(settings, source.read)
        self._source = source
        self._announce = announce
        self._nursery_command = nursery_command
        self._notifier = Notifier()
        self._heartbeats = TaskHeartbeats(time.monotonic)

    async def run(self) -> int:
        """Serve until told to stop.

        Returns:
            The exit code: 0 after an orderly stop, otherwise why the first start was given up.

        Raises:
            SeacodError: the service cannot begin: the address is taken, a directory cannot be
                written to, another service runs.
        """
        try:
            self._settings.paths.make()
            with lock.held(self._settings.paths) as self._lock:
                await self._build()
                await self._serve()
                return self._end()
        except SeacodError as error:
            cause = error.__context__
            number = cause.errno if isinstance(cause, OSError) else None
            self._notifier.failed(error.exit_code, error.message, number)
            raise

    # -- the main loop ----------------------------------------------------------------------

    async def _serve(self) -> None:
        """Let everything run, do what signals ask for, until the last worker has ended."""
        for status_socket in self._sockets:
            await status_socket.open()
        await self._address.remake()
        async with anyio.create_task_group() as tasks:
            self._start(tasks)
            while (number := await self._signals.next()) is not None:
                self._on_signal(number)
            await self._finish()
            tasks.cancel_scope.cancel()
        await self._watches.finish()

    def _start(self, tasks: anyio.abc.TaskGroup) -> None:
        tasks.start_soon(self._live, name="workers")
        tasks.start_soon(self._watch, name="watch")
        self._heartbeats.expect("nursery", CHECK_SECONDS)
        beside: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("nursery", partial(self._nurseries.run, partial(self._heartbeats.touch, "nursery"))),
            ("runtime", self._runtime.run),
            ("pause", self._pausing.run),
        ]
        targets = [one.target for one in self.listeners.http]
        for life in self.workers.lives:
            probing = partial(probe_forever, life, targets, self._settings, self._heartbeats)
            beside.append((life.replica.named("probe"), probing))
        for name, run in beside:
            tasks.start_soon(kept_going, name, run, self._metrics, name=name)
        self._watches.start(tasks)
        if self.metrics_server is not None:
            tasks.start_soon(self.metrics_server.run, name="metrics")

    def _on_signal(self, number: signal.Signals) -> None:
        if number == signal.SIGHUP:
            self._reloader.reload()
        elif number == signal.SIGUSR1:
            logs.reopen()
            self.workers.reopen_logs()
            self._nurseries.reopen_logs()
            log.info("logs_reopened")
        else:
            self._notifier.stopping()
            self.workers.stop(f"{number.name} received")

    async def _live(self) -> None:
        await self.workers.run(self._heartbeats)
        await self._nurseries.close()
        self._signals.end()

    async def _watch(self) -> None:
        """Once a second: prove that the tasks live, keep systemd's picture fresh."""
        while True:
            late = self._heartbeats.late()
            if late:
                log.error("supervisor_task_late", **{k: round(v, 1) for k, v in late.items()})
            else:
                self._notifier.watchdog()
            if self.workers.report.state is ServiceState.STARTING and not self._notifier.is_ready:
                remaining = self.workers.seconds_until_deadline() or 0.0
                self._notifier.extend_start(min(remaining, _EXTEND_START_SECONDS) + 1.0)
            self._reloader.check(time.monotonic())
            if not self._nurseries.is_forking:
                reap_orphans(self.workers.pids() | self._nurseries.pids)
            self._tell_systemd()
            await anyio.sleep(_WATCH_SECONDS)

    async def _finish(self) -> None:
        if self.metrics_server is not None:
            self.metrics_server.stop()
        for one in (*self._sockets, self._address):
            try:
                await one.remove()
            except OSError as error:
                # The next start makes it anew; the last alerts are still to be sent.
                log.warning("runtime_file_left", file=str(one.path), error=error.strerror)
        await self._fallback.finish()
        remove_files(self.listeners)

    def _end(self) -> int:
        code = self.workers.fatal_exit_code
        if code is None:
            log.info("supervisor_stopped")
            return EX_OK
        english, chinese = self.workers.fatal_words
        self._notifier.failed(code, english)
        log.error("supervisor_gave_up", exit_code=code, text=english, text_zh=chinese)
        return code

    # -- the parts --------------------------------------------------------------------------

    async def _build(self) -> None:
        """Make the parts, each from parts that exist already."""
        settings, paths = self._settings, self._settings.paths
        self.listeners = acquire(settings.current, from_systemd(), self._notifier)
        self._present = PresentFigures(scrape.FIGURES)
        metrics = self._metrics = self._make_metrics()
        self.metrics_server = self._make_metrics_server()
        bus = Bus(metrics.watch_failures.labels("events").inc)
        replicas = await place(settings.current)
        shared_load = SharedLoad.fresh(paths.shared_load, len(replicas) * SLOTS_A_REPLICA)
        table = ModelTable.fresh(paths.with_model, len(replicas) * SLOTS_A_REPLICA)
        self._suspects = Suspects(table, bus, time.monotonic)
        self.workers = self._make_workers(replicas, bus)
        self._watches = Watches(
            settings, self.workers, bus, metrics, self._heartbeats, self.listeners.local_url
        )
        self._reloader = Reloader(settings, self.workers, bus, self._notifier)
        self._pausing = Pausing(paths.pause, bus, self._heartbeats)
        bus.subscribe(StateChanged, self._on_state_changed)
        bus.subscribe(WorkerGone, lambda event: metrics.worker_gone(event.slot))
        bus.subscribe(WorkerGone, lambda event: shared_load.clear_slot(event.slot))
        bus.subscribe(WorkerCrashed, lambda event: metrics.restarts.labels(event.crash.kind).inc())
        bus.subscribe(PauseChanged, lambda event: self._fallback.paused(event.pause))
        self._sockets = (
            status.StatusSocket(paths.status_socket, self._snapshot),
            status.StatusSocket(paths.page_socket, self._snapshot_for_page),
        )
        self._address = AddressFile(paths.address, self.listeners.local_url)
        self._runtime = self._make_upkeep(shared_load, table, bus)
        # Before anything is taken.
        self._pausing.look()
        self._signals = Signals()
        addresses = [listener.address for _, listener in self.listeners.all()]
        log.info(
            "supervisor_started",
            version=__version__,
            url=self.listeners.local_url,
            listening=" ".join(addresses),
        )

    def _make_metrics(self) -> SupervisorMetrics:
        metrics = SupervisorMetrics(self._settings.paths.runtime, self._present)
        metrics.build.labels(__version__).set(1)
        for kind in ExitKind:
            # A series that began with its first restart would show no increase of it.
            metrics.restarts.labels(kind.value)
        return metrics

    def _make_workers(self, replicas: Sequence[Replica], bus: Bus) -> Replicas:
        """The workers, with what they are forked from, and what answers while none serves."""
        self._fallback = Fallback(
            self.listeners.http,
            self._metrics.fallback.inc,
            lambda: start_progress(self.workers.report),
        )
        adopt_orphans()
        self._nurseries = Nurseries(
            self.listeners,
            partial(self._settings.for_worker, replicas[0]),
            self._nursery_command,
            len(replicas),
        )
        asr = self._settings.current.asr
        file = self._settings.paths.state / "start-times.json"
        times = StartTimes(file, f"{asr.model} on {asr.device}")
        host = Host(self._nurseries.start, start_times=times)
        return Replicas(replicas, self._settings, host, self._fallback, bus)

    def _make_upkeep(self, shared_load: SharedLoad, table: ModelTable, bus: Bus) -> RuntimeUpkeep:
        """What keeps the files of the runtime directory there, and unix sockets."""
        paths, asked_for = self._settings.paths, wanted(self._settings.current)
        mapped: list[RuntimeFile] = [
            MappedFile(paths.shared_load, shared_load.remake),
            MappedFile(paths.with_model, table.remake),
            MappedFile(self._metrics.directory, lambda path: path.mkdir(exist_ok=True)),
            *unix_paths(self.listeners, asked_for, self._notifier, self._fallback.suspended),
        ]
        own = (self._lock, *self._sockets, self._address)
        return RuntimeUpkeep(
            paths.runtime, own, mapped, self.workers.replace, bus, self._heartbeats
        )

    def _make_metrics_server(self) -> MetricsServer | None:
        listeners = self.listeners.metrics
        return MetricsServer(listeners, self._metrics, self._look) if listeners else None

    # -- telling ----------------------------------------------------------------------------

    def _on_state_changed(self, event: StateChanged) -> None:
        report = self.workers.report
        self._metrics.set_worker_state(report.state)
        self._metrics.set_away_seconds(report.total_away_seconds)
        if report.state is ServiceState.SERVING and not self._notifier.is_ready:
            self._notifier.ready()
            self._announce(self)
        self._tell_systemd()

    def _tell_systemd(self) -> None:
        workers = self.workers
        text = status_text(
            workers.report,
            [one.address for one in self.listeners.http],
            workers.serving(),
            len(workers.lives),
            self._watches.gpu_in_use(),
            self._pausing.current,
        )
        self._notifier.status(text)

    def _look(self) -> None:
        """Bring up to the moment what a scrape shows beside the counters."""
        metrics, delivery = self._metrics, self._watches.alerting.delivery
        metrics.set_away_seconds(self.workers.report.total_away_seconds)
        metrics.set_deliveries("delivered", delivery.delivered)
        metrics.set_deliveries("failed", delivery.failed)
        self._present.read(
            scrape.ServiceView(
                self._settings,
                self.workers,
                self._nurseries.newest,
                self._watches,
                self._notifier.watchdog_at,
                is_paused=self._pausing.current is not None,
            )
        )

    def _snapshot(self) -> dict[str, object]:
        """What `seacod status` shows."""
        return status.snapshot(
            self.workers,
            self._nurseries.newest,
            self._watches,
            self._settings,
            self._source,
            started_at=self._began.unix_seconds,
            listeners=self.listeners,
            metrics=self.metrics_server,
            reloads=self._reloader,
            pause=self._pausing.current,
        )

    def _snapshot_for_page(self) -> dict[str, object]:
        return status.for_page(
            self.workers, self._nurseries.newest, self._watches, self._began.unix_seconds
        )
