"""The worker process: loads the model, says it is ready, serves the inherited socket, drains.

`python -m seacod worker`, started by the supervisor only: everything it needs comes through the
environment and two inherited descriptors. It ends when the supervisor does.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import os
import signal
import socket
import sys
import tempfile
import time
import warnings
from typing import TYPE_CHECKING, Any

import structlog

from seacod import logs, metrics, protocol
from seacod.config.changes import with_values
from seacod.config.schema import Settings
from seacod.config.secrets import read_secret
from seacod.errors import (
    EX_OK,
    EX_SOFTWARE,
    EX_USAGE,
    ConfigError,
    ProtocolError,
    SeacodError,
)
from seacod.paths import Paths
from seacod.protocol import FromSupervisor, FromWorker
from seacod.shared_load import SLOTS_A_REPLICA, SharedLoad
from seacod.system.parent_death import die_with
from seacod.web.middleware.disk_guard import guarded
from seacod.worker.startup import Preparation
from seacod.worker.traffic import Traffic

if TYPE_CHECKING:
    from seacod.asr.service import TranscriptionService
    from seacod.jobs.runner import Jobs
    from seacod.web.routes.jobs import JobsGate
    from seacod.worker.serving import Server

log = structlog.get_logger(__name__)

_BEAT_SECONDS = 1.0
# A beat that comes this late means that the process stood still, not only its model.
_OWN_PAUSE_SECONDS = 5.0
# The sentences of a recording of some hours, sent along when a microphone comes back.
_MAX_WEBSOCKET_MESSAGE_BYTES = 8 << 20
# A request that is being answered when the drain's time is over gets this long to be cut off.
_CUT_OFF_SECONDS = 1.0


def run_worker() -> int:
    """Be the worker until told to stop; returns the exit code."""
    try:
        settings = Settings.model_validate_json(os.environ[protocol.ENV_SETTINGS])
        listen_fd = int(os.environ[protocol.ENV_LISTEN_FD])
        control_fd = int(os.environ[protocol.ENV_CONTROL_FD])
        supervisor_pid = int(os.environ[protocol.ENV_SUPERVISOR_PID])
        slot = os.environ[protocol.ENV_SLOT]
        replicas = int(os.environ.get(protocol.ENV_SEATS, "1"))
        is_spare = bool(os.environ.get(protocol.ENV_SPARE))
    except (KeyError, ValueError):
        print("seacod worker is started by 'seacod run', not by hand", file=sys.stderr)
        return EX_USAGE
    if not die_with(supervisor_pid):
        os._exit(EX_SOFTWARE)
    # Ctrl-C is the supervisor's to handle; it tells us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.register(signal.SIGUSR2, all_threads=True)
    logs.configure(settings.log, "worker")
    paths = Paths.resolve(settings)
    _prepare(settings, paths, slot)
    listener = socket.socket(fileno=listen_fd)
    control = socket.socket(fileno=control_fd)
    crowd = Neighbours(paths, slot, replicas) if replicas > 1 else None
    worker = WorkerApplication(settings, paths, listener, control, crowd, is_spare=is_spare)
    code = asyncio.run(worker.run())
    # The inference thread may sit in a call that never ends; it does not keep the process.
    logs.flush()
    os._exit(code)


def _prepare(settings: Settings, paths: Paths, slot: str) -> None:
    """What must be set before the libraries are imported."""
    metrics.use_directory(paths.runtime, slot)
    # Uploads spool here, not in the system's /tmp.
    tempfile.tempdir = str(paths.temp)
    # Gradio's pydub looks for the ffmpeg program; we decode with PyAV and need none.
    warnings.filterwarnings("ignore", message=".*ffmpeg.*", category=RuntimeWarning)
    os.environ.update(
        GRADIO_ANALYTICS_ENABLED="False",
        GRADIO_TEMP_DIR=str(paths.gradio),
        HF_HUB_OFFLINE="1",
        HF_HUB_DISABLE_TELEMETRY="1",
        DO_NOT_TRACK="1",
        MODELSCOPE_CACHE=str(paths.models),
        TOKENIZERS_PARALLELISM="false",
        # Otherwise asking whether there is a GPU would already take memory on it.
        PYTORCH_NVML_BASED_CUDA_CHECK="1",
    )
    if settings.asr.cpu_threads:
        os.environ["OMP_NUM_THREADS"] = str(settings.asr.cpu_threads)


class Neighbours:
    """The workers that share the listening socket, as one of them sees it.

    Args:
        paths: of the service.
        slot: of this worker.
        replicas: how many workers there are to be.
    """

    def __init__(self, paths: Paths, slot: str, replicas: int) -> None:
        number = int(slot.removeprefix("worker"))
        self.shared_load = SharedLoad(paths.shared_load, replicas * SLOTS_A_REPLICA, number)
        self.socket = paths.worker_socket(slot)


class WorkerApplication:
    """One worker's life, seen from inside: warm, placed, ready, serving, draining.

    A spare stops after the first step until it is promoted; any other goes straight on.
    """

    def __init__(
        self,
        settings: Settings,
        paths: Paths,
        listener: socket.socket,
        control: socket.socket,
        crowd: Neighbours | None,
        *,
        is_spare: bool,
    ) -> None:
        self._crowd = crowd
        self._settings = settings
        self._paths = paths
        self._listener = listener
        self._control = control
        self._began = time.monotonic()
        self._service: TranscriptionService | None = None
        self._server: Server | None = None
        self._jobs: Jobs | None = None
        self._traffic = Traffic()
        self._preparation = Preparation(settings, paths, self._say)
        self._deduplicator: JobsGate | None = None
        self._blamed_pids: list[int] = []
        self._is_promoted = asyncio.Event()
        if not is_spare:
            self._is_promoted.set()
        self._may_serve = asyncio.Event()
        self._drain_seconds: float | None = None
        self._told_to_drain = asyncio.Event()

    async def run(self) -> int:
        """Load, serve, drain; the exit code."""
        self._loop = asyncio.get_running_loop()
        reader, self._writer = await asyncio.open_connection(
            sock=self._control, limit=protocol.MAX_LINE_BYTES
        )
        self._loop.add_signal_handler(
            signal.SIGTERM, lambda: self._drain(self._settings.worker.drain_timeout_seconds)
        )
        listening = asyncio.ensure_future(self._listen(reader))
        beating = asyncio.ensure_future(self._beat())
        try:
            return await self._live()
        except SeacodError as error:
            kind = "config" if isinstance(error, ConfigError) else "model"
            log.error("worker_could_not_start", kind=kind, text=error.message)
            self._send(protocol.Fault(kind, error.message, error.exit_code))
            await self._flush()
            return error.exit_code
        except Exception:
            log.exception("worker_broke")
            return EX_SOFTWARE
        finally:
            listening.cancel()
            beating.cancel()

    async def _live(self) -> int:
        service = await self._warm()
        if not self._is_promoted.is_set():
            self._send(protocol.Warm())
            log.info("spare_warm", seconds=round(time.monotonic() - self._began, 2))
            await self._is_promoted.wait()
        await service.with_engine(self._preparation.place)
        if self._preparation.tuning is not None:
            service.tune(self._preparation.tuning)
        engine = service.engine
        assert self._server is not None
        self._send(
            protocol.Ready(engine.name, engine.device, round(time.monotonic() - self._began, 2))
        )
        log.info("worker_ready", model=engine.name, device=engine.device)
        await _first(self._may_serve, self._told_to_drain)
        if self._told_to_drain.is_set():
            return EX_OK
        jobs = self._jobs = await self._take_up_jobs(service)
        self._join_crowd(service)
        serving = asyncio.ensure_future(self._server.serve())
        draining = asyncio.ensure_future(self._told_to_drain.wait())
        singing = asyncio.ensure_future(self._sing(service))
        await asyncio.wait({serving, draining}, return_when=asyncio.FIRST_COMPLETED)
        singing.cancel()
        if serving.done():
            serving.result()
            log.error("web_server_ended", cause="it stopped serving without being told to")
            return EX_SOFTWARE
        await self._finish(service, jobs, serving)
        return EX_OK

    async def _warm(self) -> TranscriptionService:
        """Everything that can be done without GPU memory."""
        from seacod.asr.service import TranscriptionService
        from seacod.metrics.worker import WorkerMetrics

        service = TranscriptionService(
            self._settings,
            self._preparation.load,
            WorkerMetrics(),
            self._crowd.shared_load if self._crowd is not None else None,
        )
        await service.start()
        await service.open()
        service.on_fault = lambda kind, text: self._send(protocol.Fault(kind, text))
        self._service = service
        self._server = self._web_server(service)
        return service

    def _join_crowd(self, service: TranscriptionService) -> None:
        """Let the neighbours see how much there is to do here, from now on."""
        if self._crowd is None:
            return
        from seacod.worker.serving import is_better_elsewhere

        shared_load, traffic = self._crowd.shared_load, self._traffic

        def tell() -> None:
            # A microphone is work that lasts.
            shared_load.mine.active = traffic.active + service.live.sessions
            service.tell_others()

        traffic.on_change = tell
        traffic.is_better_elsewhere = lambda: is_better_elsewhere(shared_load)
        tell()

    def _web_server(self, service: TranscriptionService) -> Server:
        import uvicorn

        from seacod.web.app import create_app
        from seacod.web.middleware.errors import RequestIds
        from seacod.web.routes.jobs import JobsGate
        from seacod.worker.serving import Server

        self._deduplicator = JobsGate(
            lambda: self._settings.results, lambda: self._settings.storage.free_refuse_bytes
        )
        app = create_app(service, self._settings, self._paths, self._deduplicator)
        config = uvicorn.Config(
            self._traffic.around(
                RequestIds(
                    guarded(
                        app,
                        self._paths.temp,
                        lambda: self._settings.storage.free_refuse_bytes,
                    )
                )
            ),
            log_config=None,
            access_log=False,
            lifespan="on",
            timeout_keep_alive=30,
            timeout_graceful_shutdown=1,
            server_header=False,
            # Sound does not get smaller by it.
            ws_per_message_deflate=False,
            ws_max_size=_MAX_WEBSOCKET_MESSAGE_BYTES,
        )

        crowd = self._crowd
        return Server(
            config,
            self._listener,
            crowd.shared_load if crowd is not None else None,
            crowd.socket if crowd is not None else None,
        )

    async def _take_up_jobs(self, service: TranscriptionService) -> Jobs:
        from seacod.jobs.runner import Jobs
        from seacod.jobs.store import JobStore, open_store

        assert self._deduplicator is not None
        results = self._settings.results

        def opened() -> JobStore:
            password = read_secret(results, "database_password_file")
            return open_store(self._paths.jobs, results.database, password)

        jobs = Jobs(opened, service, lambda: self._settings.results.keep_days)
        await jobs.start(self._blamed_pids)
        self._deduplicator.jobs = jobs
        return jobs

    async def _finish(
        self, service: TranscriptionService, jobs: Jobs, serving: asyncio.Future[None]
    ) -> None:
        """Accept nothing more, let what runs finish, close."""
        assert self._server is not None
        await self._server.stop_accepting()
        service.is_draining = True
        before = self._traffic.active
        seconds = self._drain_seconds or 0.0
        left, _ = await asyncio.gather(self._traffic.drained(seconds), jobs.finish(seconds))
        self._server.should_exit = True
        if left:
            self._server.force_exit = True
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(serving), _CUT_OFF_SECONDS + 2.0)
        await jobs.close()
        self._send(protocol.Drained(max(0, before - left), left))
        await self._flush()
        await service.close()

    async def _sing(self, service: TranscriptionService) -> None:
        from seacod.worker import canary

        await canary.run_canary(
            service,
            lambda: self._settings.worker.canary_interval_seconds,
            self._preparation.first_recording,
            lambda text: self._send(protocol.Fault("canary", text)),
        )

    # -- the control channel ------------------------------------------------------------------

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await reader.readline()
            except (ValueError, OSError):
                line = b""
            if not line:
                # The supervisor is gone: nobody would notice us, nobody would stop us.
                log.error("supervisor_gone")
                os._exit(EX_SOFTWARE)
            try:
                self._obey(protocol.decode(line))
            except ProtocolError as error:
                log.error("supervisor_sent_garbage", problem=error.message)

    def _obey(self, message: FromSupervisor | FromWorker) -> None:
        if isinstance(message, protocol.Promote):
            self._is_promoted.set()
        elif isinstance(message, protocol.Serve):
            self._blamed_pids = message.blamed_pids
            self._may_serve.set()
        elif isinstance(message, protocol.Blame):
            if self._jobs is not None:
                self._jobs.blame(message.pid)
        elif isinstance(message, protocol.Reload):
            self._apply(message.changes)
        elif isinstance(message, protocol.Retire):
            if self._service is not None:
                self._service.is_retiring = True
            log.info("retiring")
        elif isinstance(message, protocol.Drain):
            self._drain(message.timeout_seconds)
        elif isinstance(message, protocol.ReleaseGpuCache):
            if self._service is not None:
                self._service.release_gpu_cache()
        elif isinstance(message, protocol.ReopenLogs):
            logs.reopen()

    def _apply(self, changed: dict[str, Any]) -> None:
        """Settings that take effect at once; the supervisor has checked them."""
        self._settings = with_values(self._settings, changed)
        if self._service is not None:
            self._service.apply(self._settings.limits)
        if any(key.startswith("log.") for key in changed):
            logs.configure(self._settings.log, "worker")
        log.info("settings_applied", keys=sorted(changed))

    def _drain(self, timeout_seconds: float) -> None:
        if not self._may_serve.is_set():
            # Nothing was promised to anybody yet.
            os._exit(EX_OK)
        if not self._told_to_drain.is_set():
            self._drain_seconds = timeout_seconds
            self._told_to_drain.set()

    def _say(self, text: str, extend_seconds: float = 0.0) -> None:
        """A stage, from any thread."""
        self._loop.call_soon_threadsafe(self._send, protocol.Stage(text, extend_seconds))

    def _send(self, message: FromWorker) -> None:
        self._writer.write(protocol.encode(message))

    async def _flush(self) -> None:
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await asyncio.wait_for(self._writer.drain(), 1.0)

    async def _beat(self) -> None:
        last = time.monotonic()
        while True:
            now = time.monotonic()
            paused, last = now - last, now
            if self._service is None:
                # Importing: a spare that is promoted meanwhile owes nothing but readiness.
                self._send(protocol.Beat(0, 0, 0.0, 0.0))
            else:
                if paused > _OWN_PAUSE_SECONDS:
                    # Frozen or stopped (SIGSTOP): the model could not get on meanwhile either.
                    log.warning("worker_stood_still", seconds=round(paused, 1))
                    self._service.forgive_pause()
                load = self._service.load()
                # Also what no request says: a microphone that was opened or closed.
                self._traffic.on_change()
                self._send(
                    protocol.Beat(
                        load.in_flight,
                        load.queue_depth,
                        round(load.oldest_seconds, 3),
                        round(load.progress_age_seconds, 3),
                        load.answered,
                        load.failed,
                        load.gpu_reserved_bytes,
                        load.running,
                    )
                )
            await asyncio.sleep(_BEAT_SECONDS)


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
