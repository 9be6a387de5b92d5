"""One worker from its fork to its last answer: places the model, serves, drains.

Made by `main.py`. What the supervisor's messages mean is decided here.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from seacod import logs, protocol
from seacod.config.in_use import SettingsInUse
from seacod.config.schema import Settings
from seacod.config.secrets import read_secret
from seacod.errors import EX_OK, EX_SOFTWARE, ConfigError, SeacodError
from seacod.jobs.gate import JobsGate
from seacod.paths import Paths
from seacod.pause import Pause
from seacod.protocol import Message
from seacod.system.clock_jumps import FILE as CLOCK_FILE
from seacod.system.clock_jumps import ClockJumps
from seacod.system.processes.threads import on_thread
from seacod.system.text.words import Words
from seacod.usage.ledger import UsageLedger
from seacod.usage.meter import UsageMeter
from seacod.web.middleware.disk_guard import guarded
from seacod.web.readiness import Readiness
from seacod.worker import lost_part
from seacod.worker.control import ControlChannel
from seacod.worker.drain import Drain
from seacod.worker.memory import MemoryGuard
from seacod.worker.neighbours import Neighbours
from seacod.worker.startup import Loaded, Preparation
from seacod.worker.traffic import Traffic

if TYPE_CHECKING:
    from seacod.asr.recognisers.base import Recogniser
    from seacod.asr.service import TranscriptionService
    from seacod.jobs.runner import Jobs
    from seacod.metrics.worker import WorkerMetrics
    from seacod.web.logins.logins import Logins
    from seacod.with_model import ModelTable
    from seacod.worker.serving import Server
    from seacod.worker.traces import TraceExport

log = structlog.get_logger(__name__)

# A beat that comes this late means that the process stood still, not only its model.
_OWN_PAUSE_SECONDS = 5.0
# What a callback that is being sent may take to be put down as not sent.
_LAST_NOTICE_SECONDS = 1.0


class WorkerApplication:
    """The life of one worker, seen from inside: placed, ready, serving, draining.

    Args:
        settings: as the supervisor gave them; `reload` messages change them.
        paths: of the service.
        listeners: the shared sockets of page and API.
        funasr: those of FunASR's protocol; none where it has no port.
        control: the channel to the supervisor.
        neighbours: the other workers on that socket; None without any.
        loaded: by the nursery; None to load it here.
        model_table: where it says what is with the model.
        decoder_nursery: a connection to the one that decoders are forked from; None to start one.
        replica: which of the workers it is, from 1; the next one there has the same.
    """

    def __init__(
        self,
        settings: Settings,
        paths: Paths,
        listeners: Sequence[socket.socket],
        funasr: Sequence[socket.socket],
        control: ControlChannel,
        neighbours: Neighbours | None,
        loaded: Loaded | None,
        model_table: ModelTable,
        decoder_nursery: socket.socket | None = None,
        replica: int = 1,
    ) -> None:
        self._settings = SettingsInUse(settings)
        self._paths = paths
        self._listeners = listeners
        self._funasr = funasr
        self._decoder_nursery = decoder_nursery
        self._replica = replica
        self._control = control
        self._neighbours = neighbours
        self._began = time.monotonic()
        self._service: TranscriptionService | None = None
        self._server: Server | None = None
        self._jobs: Jobs | None = None
        self._logins: Logins | None = None
        self._readiness = Readiness()
        self._traffic = Traffic(self._readiness)
        self._drain = Drain(self._readiness, self._traffic)
        self._memory = MemoryGuard(self._settings, self._is_busy)
        replicas = self._neighbours.count if self._neighbours is not None else 1
        self._usage = UsageMeter(UsageLedger(paths.usage), replicas)
        self._preparation = Preparation(settings, paths, control.send_stage)
        self._jobs_gate = JobsGate(self._settings)
        self._blamed_pids: list[int] = []
        self._loaded = loaded
        self._model_table = model_table
        self._may_serve = asyncio.Event()
        self._traces: TraceExport | None = None
        self._count_callback: Callable[[str], None] | None = None

    async def run(self) -> int:
        """Load, serve, drain; returns the exit code."""
        self._loop = asyncio.get_running_loop()
        await self._control.open()
        self._loop.add_signal_handler(
            signal.SIGTERM,
            lambda: self._leave(self._settings.current.worker.drain_timeout_seconds),
        )
        listening = asyncio.ensure_future(self._control.listen(self._obey))
        beating = asyncio.ensure_future(self._control.beat(self._report))
        lost_part.watch(listening, "control channel")
        lost_part.watch(beating, "beat")
        try:
            return await self._live()
        except SeacodError as error:
            kind = "config" if isinstance(error, ConfigError) else "model"
            log.error("worker_could_not_start", kind=kind, text=error.message)
            self._control.send(protocol.Fault(kind, error.message, error.exit_code, error.chinese))
            await self._control.flush()
            return error.exit_code
        except Exception:
            log.exception("worker_broke")
            return EX_SOFTWARE
        finally:
            listening.cancel()
            beating.cancel()

    async def _live(self) -> int:
        service = await self._put_together()
        if self._preparation.tuning is not None:
            service.tune(self._preparation.tuning)
        engine = service.engine
        self._control.send(
            protocol.Ready(engine.name, engine.device, round(time.monotonic() - self._began, 2))
        )
        log.info("worker_ready", model=engine.name, device=engine.device)
        await _first(self._may_serve, self._drain.asked)
        return EX_OK if self._drain.asked.is_set() else await self._serve(service)

    async def _serve(self, service: TranscriptionService) -> int:
        assert self._server is not None
        from seacod.asr.tuner import tune_worker

        jobs = await self._take_up_jobs(service)
        if self._neighbours is not None:
            self._neighbours.join(self._traffic, service)
        self._memory.begin()
        serving = asyncio.ensure_future(self._server.serve())
        draining = asyncio.ensure_future(self._drain.asked.wait())
        canary = asyncio.ensure_future(self._run_canary(service))
        tuning = asyncio.ensure_future(tune_worker(service, self._preparation))
        usage = asyncio.ensure_future(self._usage.run())
        telling = asyncio.ensure_future(self._run_callbacks(jobs))
        await asyncio.wait({serving, draining}, return_when=asyncio.FIRST_COMPLETED)
        canary.cancel()
        tuning.cancel()
        usage.cancel()
        # What was being sent is sent again; a database that hangs keeps no drain waiting.
        telling.cancel()
        await asyncio.wait({telling}, timeout=_LAST_NOTICE_SECONDS)
        if serving.done():
            serving.result()
            log.error("web_server_ended", cause="it stopped serving without being told to")
            return EX_SOFTWARE
        self._control.send(await self._drain.carry_out(self._server, serving, jobs))
        await self._usage.write()
        await self._control.flush()
        if self._traces is not None:
            await on_thread("seacod-traces-end", partial(self._traces.close, _LAST_NOTICE_SECONDS))
        await service.close()
        return EX_OK

    def _load(self) -> Recogniser:
        """On the inference thread."""
        self._loaded = self._loaded or self._preparation.load()
        self._preparation.call_seconds = self._loaded.call_seconds
        return self._loaded.engine

    async def _put_together(self) -> TranscriptionService:
        """Everything that serves, around the loaded model."""
        from seacod.asr.service import TranscriptionService
        from seacod.metrics.worker import WorkerMetrics

        metrics = WorkerMetrics(self._replica)
        service = TranscriptionService(
            self._settings.current,
            self._load,
            metrics,
            self._neighbours.shared_load if self._neighbours is not None else None,
            self._model_table,
            self._decoder_nursery,
            partial(lost_part.end_worker, "inference thread"),
        )
        await service.start()
        # Three things that need not wait for each other: the model's first recording, the decoding
        # processes, and the application, which is put together here.
        beside = [
            asyncio.ensure_future(service.with_engine(self._preparation.place)),
            asyncio.ensure_future(service.open()),
        ]
        await asyncio.sleep(0)
        service.on_fault = self._fault
        service.on_acquitted(lambda digest: self._control.send(protocol.Acquitted(digest)))
        self._service = service
        service.on_ended(self._usage.count)
        self._traces = self._trace_export(service, metrics)
        # A reload may have come while it was loading.
        service.apply(self._settings.current)
        self._usage.limit(self._settings.current.access.quotas)
        self._server = self._web_server(service, lambda what: metrics.logins.labels(what).inc())
        self._count_callback = lambda what: metrics.callbacks.labels(what).inc()
        await asyncio.gather(*beside)
        return service

    def _trace_export(
        self, service: TranscriptionService, metrics: WorkerMetrics
    ) -> TraceExport | None:
        """None where nothing is exported.

        Raises:
            ConfigError: it is to be, and cannot.
        """
        if not self._settings.current.tracing.otlp_endpoint:
            return None
        from seacod.worker.traces import TraceExport

        def count(outcome: str, spans: int) -> None:
            metrics.trace_spans.labels(outcome).inc(spans)

        export = TraceExport(self._settings.current.tracing, self._replica, count)
        service.on_traced(export.ended)
        return export

    def _web_server(
        self, service: TranscriptionService, count_login: Callable[[str], None]
    ) -> Server:
        from seacod.web.app import create_app
        from seacod.web.logins.logins import Logins
        from seacod.web.middleware.errors import RequestIds
        from seacod.web.middleware.funasr_port import FunasrPort
        from seacod.web.middleware.traces import Traces
        from seacod.worker import tls
        from seacod.worker.serving import FunasrSockets, Server

        logins = Logins(self._settings.current.access, self._paths.sessions, count_login)
        self._logins = logins
        app = create_app(
            service,
            self._settings,
            self._paths,
            self._readiness,
            self._jobs_gate,
            logins,
            self._admit,
            self._loaded.page if self._loaded is not None else None,
        )
        whole = guarded(app, self._paths.temp, self._settings)
        inside = RequestIds(self._traffic.around(self._memory.around(whole)))
        export = self._traces
        answers = (
            Traces(inside) if export is None else Traces(inside, export.is_sampled, export.answered)
        )
        server = self._settings.current.server
        if not self._funasr:
            return Server(answers, self._listeners, self._neighbours, server)
        ports = frozenset(one.getsockname()[1] for one in self._funasr)
        return Server(
            FunasrPort(answers, ports),
            self._listeners,
            self._neighbours,
            server,
            FunasrSockets(self._funasr, tls.context(server, self._paths)),
        )

    async def _take_up_jobs(self, service: TranscriptionService) -> Jobs:
        from seacod.jobs.opening import open_store
        from seacod.jobs.outside.moving import RecordingMover
        from seacod.jobs.outside.places import RecordingPlaces, read_access
        from seacod.jobs.runner import Jobs
        from seacod.jobs.store import JobStore

        results = self._settings.current.results

        def opened() -> JobStore:
            password = read_secret(results, "database_password_file")
            return open_store(self._paths.jobs, results.database, password)

        def told(kind: str, english: str, chinese: str, is_over: bool) -> None:
            self._control.send(protocol.Fault(kind, english, None, chinese, is_over))

        def access() -> dict[str, str]:
            return read_access(read_secret(results, "recordings_access_file"), os.environ)

        mover = RecordingMover(
            results.recordings,
            results.recordings_from_bytes,
            RecordingPlaces(access),
            lambda english, chinese, is_over: told("jobs_place", english, chinese, is_over),
        )
        jobs = Jobs(
            opened,
            service,
            self._settings,
            told,
            is_paused=lambda: self._readiness.pause is not None,
            mover=mover if results.database else None,
            clock=ClockJumps(self._paths.state / CLOCK_FILE),
        )
        self._jobs = self._jobs_gate.jobs = jobs
        await jobs.start(self._blamed_pids)
        return jobs

    async def _run_callbacks(self, jobs: Jobs) -> None:
        from seacod.jobs.callback_delivery import CallbackDelivery

        assert self._count_callback is not None
        await CallbackDelivery(jobs, self._settings, self._count_callback).run()

    def _fault(self, kind: str, words: Words) -> None:
        self._control.send(protocol.Fault(kind, words[0], chinese=words[1]))

    async def _run_canary(self, service: TranscriptionService) -> None:
        from seacod.worker import canary

        await canary.run_canary(
            service,
            self._settings,
            self._preparation.first_recording,
            lambda words: self._fault("canary", words),
        )

    # -- the control channel ------------------------------------------------------------------

    def _obey(self, message: Message) -> None:
        if isinstance(message, protocol.Serve):
            self._blamed_pids = message.blamed_pids
            self._may_serve.set()
        elif isinstance(message, protocol.Blame):
            if self._jobs is not None:
                self._jobs.blame(message.pid)
        elif isinstance(message, protocol.SuspectsMessage):
            if self._service is not None:
                self._service.suspect(message.ends)
        elif isinstance(message, protocol.Reload):
            self._apply(message.changes)
        elif isinstance(message, (protocol.PausedMessage, protocol.Retire)):
            self._change_readiness(message)
        elif isinstance(message, protocol.DrainMessage):
            self._leave(message.timeout_seconds)
        elif isinstance(message, protocol.ReleaseGpuCache):
            if self._service is not None:
                self._service.release_gpu_cache()
        elif isinstance(message, protocol.ReopenLogs):
            logs.reopen()

    def _change_readiness(self, told: protocol.PausedMessage | protocol.Retire) -> None:
        if isinstance(told, protocol.Retire):
            self._readiness.is_retiring = True
            log.info("retiring")
            return
        self._readiness.pause = (
            Pause(told.reason, told.since, told.retry_after_seconds) if told.is_on else None
        )
        log.info("paused" if told.is_on else "resumed")
        if self._jobs is not None and not told.is_on:
            self._jobs.look_soon()

    def _admit(self, client: str) -> None:
        """Whether a client may bring something new.

        Raises:
            Paused: nobody may.
            QuotaUsed: it has used what it may.
        """
        if self._readiness.pause is not None:
            raise self._readiness.pause.refusal()
        self._usage.admit(client)

    def _apply(self, changed: dict[str, Any]) -> None:
        """Apply settings that take effect at once; the supervisor has checked them."""
        self._settings.apply(changed)
        if self._service is not None:
            self._service.apply(self._settings.current)
        self._usage.limit(self._settings.current.access.quotas)
        if any(key.startswith("log.") for key in changed):
            logs.configure(self._settings.current.log, "worker")
        log.info("settings_applied", keys=sorted(changed))

    def _leave(self, timeout_seconds: float) -> None:
        if not self._may_serve.is_set():
            # Nothing was promised to anybody yet.
            os._exit(EX_OK)
        self._drain.ask(timeout_seconds)

    def _is_busy(self) -> bool:
        return self._service is not None and not self._service.is_idle

    def _report(self, since_seconds: float) -> protocol.Beat:
        if self._service is None:
            # It owes nothing but readiness.
            return protocol.Beat(0, 0, 0.0, 0.0)
        if since_seconds > _OWN_PAUSE_SECONDS:
            # Frozen or stopped (SIGSTOP): the model could not get on meanwhile either.
            log.warning("worker_stood_still", seconds=round(since_seconds, 1))
            self._service.forgive_pause()
        # Also what no request says: a microphone that was opened or closed.
        self._traffic.on_change()
        load = self._service.load()
        return protocol.Beat(
            load.in_flight,
            load.queue_depth,
            round(load.oldest_seconds, 3),
            round(load.progress_age_seconds, 3),
            load.answered,
            load.failed,
            load.gpu_reserved_bytes,
            load.running,
            self._server is not None and self._server.connections.is_crowded,
            self._logins.wrong if self._logins is not None else 0,
        )


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
