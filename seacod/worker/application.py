"""One worker from its fork to its last answer: places the model, serves, drains.

Made by `main.py`. What the supervisor's messages mean is decided here.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from seacod import logs, protocol
from seacod.errors import EX_OK, EX_SOFTWARE, ConfigError, SeacodError
from seacod.pause import Pause
from seacod.protocol import Message
from seacod.system.processes.threads import on_thread
from seacod.usage.ledger import UsageLedger
from seacod.usage.meter import UsageMeter
from seacod.web.readiness import Readiness
from seacod.worker import assembly, lost_part
from seacod.worker.assembly import Parts, Surroundings
from seacod.worker.drain import Drain
from seacod.worker.startup import Loaded, Preparation
from seacod.worker.traffic import Traffic

if TYPE_CHECKING:
    from seacod.asr.recognisers.base import Recogniser

log = structlog.get_logger(__name__)

# A beat that comes this late means that the process stood still, not only its model.
_OWN_PAUSE_SECONDS = 5.0
# What a callback that is being sent may take to be put down as not sent.
_LAST_NOTICE_SECONDS = 1.0


class WorkerApplication:
    """The life of one worker, seen from inside: placed, ready, serving, draining.

    Args:
        around: what it has before it has a model.
        loaded: by the nursery; None to load it here.
    """

    def __init__(self, around: Surroundings, loaded: Loaded | None) -> None:
        self._around = around
        self._settings = around.settings
        self._control = around.control
        self._loaded = loaded
        self._began = time.monotonic()
        self._readiness = Readiness()
        self._traffic = Traffic(self._readiness)
        self._drain = Drain(self._readiness, self._traffic)
        replicas = around.neighbours.count if around.neighbours is not None else 1
        self._usage = UsageMeter(UsageLedger(around.paths.usage), replicas)
        self._preparation = Preparation(
            around.settings.current, around.paths, around.control.send_stage
        )
        self._blamed_pids: list[int] = []
        self._may_serve = asyncio.Event()
        # What serves; nothing before the model is loaded.
        self._parts: Parts | None = None

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
        parts = await self._put_together()
        if self._preparation.tuning is not None:
            parts.service.tune(self._preparation.tuning)
        engine = parts.service.engine
        self._control.send(
            protocol.Ready(engine.name, engine.device, round(time.monotonic() - self._began, 2))
        )
        log.info("worker_ready", model=engine.name, device=engine.device)
        await _first(self._may_serve, self._drain.asked)
        return EX_OK if self._drain.asked.is_set() else await self._serve(parts)

    async def _serve(self, parts: Parts) -> int:
        await parts.jobs.start(self._blamed_pids)
        if self._around.neighbours is not None:
            self._around.neighbours.join(self._traffic, parts.service)
        parts.memory.begin()
        serving = asyncio.ensure_future(parts.server.serve())
        await self._until_asked_to_leave(parts, serving)
        if serving.done():
            serving.result()
            log.error("web_server_ended", cause="it stopped serving without being told to")
            return EX_SOFTWARE
        self._control.send(await self._drain.carry_out(parts.server, serving, parts.jobs))
        await self._usage.write()
        await self._control.flush()
        if parts.traces is not None:
            await on_thread("seacod-traces-end", partial(parts.traces.close, _LAST_NOTICE_SECONDS))
        await parts.service.close()
        return EX_OK

    async def _until_asked_to_leave(self, parts: Parts, serving: asyncio.Future[Any]) -> None:
        """Also until the web server ends by itself, which it never should."""
        from seacod.asr.tuner import tune_worker
        from seacod.worker.canary import run_canary

        draining: asyncio.Future[Any] = asyncio.ensure_future(self._drain.asked.wait())
        canary = run_canary(
            parts.service,
            self._settings,
            self._preparation.first_recording,
            partial(self._control.fault, "canary"),
        )
        beside: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(one)
            for one in (canary, tune_worker(parts.service, self._preparation), self._usage.run())
        ]
        telling = asyncio.ensure_future(parts.callbacks.run())
        await asyncio.wait({serving, draining}, return_when=asyncio.FIRST_COMPLETED)
        for one in (*beside, telling):
            one.cancel()
        # What was being sent is sent again; a database that hangs keeps no drain waiting.
        await asyncio.wait({telling}, timeout=_LAST_NOTICE_SECONDS)

    def _load(self) -> Recogniser:
        """On the inference thread."""
        self._loaded = self._loaded or self._preparation.load()
        self._preparation.call_seconds = self._loaded.call_seconds
        return self._loaded.engine

    async def _put_together(self) -> Parts:
        """Everything that serves, around the loaded model."""
        from seacod.metrics.worker import WorkerMetrics

        metrics = WorkerMetrics(self._around.replica)
        service = assembly.make_service(self._around, self._load, metrics)
        await service.start()
        # Three things that need not wait for each other: the model's first recording, the decoding
        # processes, and the application, which is put together here.
        beside = [
            asyncio.ensure_future(service.with_engine(self._preparation.place)),
            asyncio.ensure_future(service.open()),
        ]
        await asyncio.sleep(0)
        self._parts = parts = assembly.put_together(
            self._around,
            service,
            metrics,
            self._readiness,
            self._traffic,
            self._usage,
            self._loaded.page if self._loaded is not None else None,
        )
        # A reload may have come while it was loading.
        self._use_settings()
        await asyncio.gather(*beside)
        return parts

    # -- the control channel ------------------------------------------------------------------

    def _obey(self, message: Message) -> None:
        if isinstance(message, protocol.Serve):
            self._blamed_pids = message.blamed_pids
            self._may_serve.set()
        elif isinstance(message, protocol.Blame):
            if self._parts is not None:
                self._parts.jobs.blame(message.pid)
        elif isinstance(message, protocol.SuspectsMessage):
            if self._parts is not None:
                self._parts.service.suspect(message.ends)
        elif isinstance(message, protocol.Reload):
            self._apply(message.changes)
        elif isinstance(message, (protocol.PausedMessage, protocol.Retire)):
            self._change_readiness(message)
        elif isinstance(message, protocol.DrainMessage):
            self._leave(message.timeout_seconds)
        elif isinstance(message, protocol.ReleaseGpuCache):
            if self._parts is not None:
                self._parts.service.release_gpu_cache()
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
        if self._parts is not None and not told.is_on:
            self._parts.jobs.look_soon()

    def _apply(self, changed: dict[str, Any]) -> None:
        """Apply settings that take effect at once; the supervisor has checked them."""
        self._settings.apply(changed)
        self._use_settings()
        if any(key.startswith("log.") for key in changed):
            logs.configure(self._settings.current.log, "worker")
        log.info("settings_applied", keys=sorted(changed))

    def _use_settings(self) -> None:
        if self._parts is not None:
            self._parts.service.apply(self._settings.current)
        self._usage.limit(self._settings.current.access.quotas)

    def _leave(self, timeout_seconds: float) -> None:
        if not self._may_serve.is_set():
            # Nothing was promised to anybody yet.
            os._exit(EX_OK)
        self._drain.ask(timeout_seconds)

    def _report(self, since_seconds: float) -> protocol.Beat:
        parts = self._parts
        if parts is None:
            # It owes nothing but readiness.
            return protocol.Beat(0, 0, 0.0, 0.0)
        if since_seconds > _OWN_PAUSE_SECONDS:
            # Frozen or stopped (SIGSTOP): the model could not get on meanwhile either.
            log.warning("worker_stood_still", seconds=round(since_seconds, 1))
            parts.service.forgive_pause()
        # Also what no request says: a microphone that was opened or closed.
        self._traffic.on_change()
        load = parts.service.load()
        return protocol.Beat(
            load.in_flight,
            load.queue_depth,
            round(load.oldest_seconds, 3),
            round(load.progress_age_seconds, 3),
            load.answered,
            load.failed,
            load.gpu_reserved_bytes,
            load.running,
            parts.server.connections.is_crowded,
            parts.logins.wrong,
        )


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
