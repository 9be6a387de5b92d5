"""What a worker serves with: put together once, around the loaded model, by `application.py`.

Nothing here lives by itself; what is made is begun, told and ended by the application.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from seacod import protocol
from seacod.config.in_use import SettingsInUse
from seacod.config.secrets import read_secret
from seacod.jobs.gate import JobsGate
from seacod.paths import Paths
from seacod.system.clock_jumps import DATABASE_FILE as DATABASE_CLOCK
from seacod.system.clock_jumps import FILE as CLOCK_FILE
from seacod.system.clock_jumps import ClockJumps
from seacod.usage.meter import UsageMeter
from seacod.web.middleware.disk_guard import guarded
from seacod.web.readiness import Readiness
from seacod.with_model import ModelTable
from seacod.worker import lost_part
from seacod.worker.control import ControlChannel
from seacod.worker.memory import MemoryGuard
from seacod.worker.neighbours import Neighbours
from seacod.worker.traffic import Traffic

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from seacod.asr.recognisers.base import Recogniser
    from seacod.asr.service import TranscriptionService
    from seacod.jobs.callback_delivery import CallbackDelivery
    from seacod.jobs.runner import Jobs
    from seacod.jobs.store import JobStore
    from seacod.metrics.worker import WorkerMetrics
    from seacod.web.logins.logins import Logins
    from seacod.web.page.page import Page
    from seacod.worker.serving import Server
    from seacod.worker.traces import TraceExport


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a worker has before it has a model.

    Args:
        settings: as the supervisor gave them; `reload` messages change them.
        paths: of the service.
        listeners: the shared sockets of page and API.
        funasr: those of FunASR's protocol; none where it has no port.
        control: the channel to the supervisor.
        neighbours: the other workers on that socket; None without any.
        model_table: where it says what is with the model.
        decoder_nursery: a connection to the one that decoders are forked from; None to start one.
        replica: which of the workers it is, from 1; the next one there has the same.
    """

    settings: SettingsInUse
    paths: Paths
    listeners: Sequence[socket.socket]
    funasr: Sequence[socket.socket]
    control: ControlChannel
    neighbours: Neighbours | None
    model_table: ModelTable
    decoder_nursery: socket.socket | None
    replica: int


@dataclass(frozen=True, slots=True)
class Parts:
    """What serves. `traces` is None where nothing is exported."""

    service: TranscriptionService
    server: Server
    logins: Logins
    jobs: Jobs
    callbacks: CallbackDelivery
    memory: MemoryGuard
    traces: TraceExport | None


def make_service(
    around: Surroundings, load: Callable[[], Recogniser], metrics: WorkerMetrics
) -> TranscriptionService:
    """Recognition, before its model is loaded."""
    from seacod.asr.service import TranscriptionService

    return TranscriptionService(
        around.settings.current,
        load,
        metrics,
        around.neighbours.shared_load if around.neighbours is not None else None,
        around.model_table,
        around.decoder_nursery,
        partial(lost_part.end_worker, "inference thread"),
    )


def put_together(
    around: Surroundings,
    service: TranscriptionService,
    metrics: WorkerMetrics,
    readiness: Readiness,
    traffic: Traffic,
    usage: UsageMeter,
    page: Page | None,
) -> Parts:
    """Everything else, each from parts that are there already.

    Raises:
        ConfigError: traces are to be exported, and cannot.
    """
    from seacod.jobs.callback_delivery import CallbackDelivery
    from seacod.web.app import create_app
    from seacod.web.logins.logins import Logins

    def admit(client: str) -> None:
        """Whether a client may bring something new.

        Raises:
            Paused: nobody may.
            QuotaUsed: it has used what it may.
        """
        if readiness.pause is not None:
            raise readiness.pause.refusal()
        usage.admit(client)

    settings, control = around.settings, around.control
    service.on_fault = control.fault
    service.on_acquitted(lambda digest: control.send(protocol.Acquitted(digest)))
    service.on_ended(usage.count)
    traces = _traces(around, service, metrics)
    logins = Logins(
        settings.current.access,
        around.paths.sessions,
        lambda what: metrics.logins.labels(what).inc(),
    )
    jobs = _jobs(around, service, readiness)
    memory = MemoryGuard(settings, lambda: not service.is_idle)
    app = create_app(
        service, settings, around.paths, readiness, JobsGate(settings, jobs), logins, admit, page
    )
    whole = guarded(app, around.paths.temp, settings)
    server = _server(around, traffic.around(memory.around(whole)), traces)
    callbacks = CallbackDelivery(jobs, settings, lambda what: metrics.callbacks.labels(what).inc())
    return Parts(service, server, logins, jobs, callbacks, memory, traces)


def _traces(
    around: Surroundings, service: TranscriptionService, metrics: WorkerMetrics
) -> TraceExport | None:
    if not around.settings.current.tracing.otlp_endpoint:
        return None
    from seacod.worker.traces import TraceExport

    def count(outcome: str, spans: int) -> None:
        metrics.trace_spans.labels(outcome).inc(spans)

    export = TraceExport(around.settings.current.tracing, around.replica, count)
    service.on_traced(export.ended)
    return export


def _jobs(around: Surroundings, service: TranscriptionService, readiness: Readiness) -> Jobs:
    """The batches, which nobody works on before the worker serves."""
    from seacod.jobs.opening import open_store
    from seacod.jobs.outside.moving import RecordingMover
    from seacod.jobs.outside.places import RecordingPlaces, read_access
    from seacod.jobs.runner import Jobs

    results, control = around.settings.current.results, around.control

    def opened() -> JobStore:
        password = read_secret(results, "database_password_file")
        return open_store(around.paths.jobs, results.database, password)

    def access() -> dict[str, str]:
        return read_access(read_secret(results, "recordings_access_file"), os.environ)

    def told(kind: str, english: str, chinese: str, is_over: bool) -> None:
        control.fault(kind, (english, chinese), is_over=is_over)

    mover = RecordingMover(
        results.recordings,
        results.recordings_from_bytes,
        RecordingPlaces(access),
        partial(told, "jobs_place"),
    )
    return Jobs(
        opened,
        service,
        around.settings,
        told,
        is_paused=lambda: readiness.pause is not None,
        mover=mover if results.database else None,
        clock=ClockJumps(around.paths.state / CLOCK_FILE),
        database_clock_file=around.paths.state / DATABASE_CLOCK if results.database else None,
    )


def _server(around: Surroundings, inside: ASGIApp, traces: TraceExport | None) -> Server:
    from seacod.web.middleware.errors import RequestIds
    from seacod.web.middleware.funasr_port import FunasrPort
    from seacod.web.middleware.traces import Traces
    from seacod.worker import tls
    from seacod.worker.serving import FunasrSockets, Server

    app: ASGIApp = Traces(
        RequestIds(inside), *((traces.is_sampled, traces.answered) if traces is not None else ())
    )
    settings, funasr = around.settings.current.server, None
    if around.funasr:
        app = FunasrPort(app, frozenset(one.getsockname()[1] for one in around.funasr))
        funasr = FunasrSockets(around.funasr, tls.context(settings, around.paths))
    return Server(app, around.listeners, around.neighbours, settings, funasr)
