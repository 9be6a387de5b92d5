"""Exports the stages of requests as OpenTelemetry's spans, by OTLP over HTTP. Off unless
`tracing.otlp_endpoint` is set; the library comes with seacod[otel].

Spans wait in a bounded queue and are sent on a thread of their own: a collector that is slow or
away costs spans, which are counted and told once, and no request. Made by `application.py`.
"""

from __future__ import annotations

import logging
import os
import queue
import random
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

from seacod import __version__
from seacod.asr.counting import Ended
from seacod.config.tracing import TracingSettings
from seacod.errors import ConfigError
from seacod.system.net import proxies, trace_context
from seacod.system.net.trace_context import TraceContext, TraceParent

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from seacod.web.middleware.traces import Answered

log = structlog.get_logger(__name__)

_MOST_WAITING = 4096
_MOST_AT_ONCE = 512
_GATHER_SECONDS = 1.0
_SEND_SECONDS = 10.0
# Of a recording, in the order in which they begin.
_STAGES = ("queue", "decode", "vad", "inference", "other")
_TOLD_AGAIN_SECONDS = 600.0


class _ExporterLog(logging.Handler):
    """What the library said last, in place of a line for each of its tries."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()[:300]


class TraceExport:
    """
    Args:
        settings: where to, and how many.
        replica: which of the workers this is, from 1.
        count: told how many spans were sent (`exported`) or lost (`dropped`), by their outcome.

    Raises:
        ConfigError: the library is not installed, or the way there is a proxy that cannot be used.
    """

    def __init__(
        self, settings: TracingSettings, replica: int, count: Callable[[str, int], None]
    ) -> None:
        self._settings = settings
        self._count = count
        self._waiting: queue.Queue[ReadableSpan | None] = queue.Queue(_MOST_WAITING)
        self._exporter, self._make = _library(settings, replica)
        self._said = _ExporterLog()
        library = logging.getLogger("opentelemetry")
        library.addHandler(self._said)
        library.propagate = False
        self._told_at = -_TOLD_AGAIN_SECONDS
        self._is_troubled = False
        self._thread = threading.Thread(target=self._run, name="seacod-traces", daemon=True)
        self._thread.start()

    # -- on the event loop ----------------------------------------------------------------------

    def is_sampled(self, parent: TraceParent | None) -> bool:
        """Whether a request is exported: as its caller has decided, else by chance."""
        if parent is not None:
            return parent.is_sampled
        return random.random() < self._settings.sample_ratio  # no secret

    def answered(self, told: Answered) -> None:
        """A request is over: the span around everything that was done for it."""
        self._span(
            f"{told.method} {told.path}",
            told.trace,
            told.trace.span_id,
            told.trace.parent_id,
            told.seconds,
            time.time(),
            {
                "http.request.method": told.method,
                "url.path": told.path,
                "http.response.status_code": told.status or None,
                "seacod.request_id": told.request_id or None,
            },
            kind="SERVER",
            has_failed=told.status >= 500,
        )

    def ended(self, told: Ended) -> None:
        """Recognition of one recording or microphone is over: a span, and one for each stage."""
        around = trace_context.current.get()
        if around is None:
            # A file of a batch, which nobody waits for: a trace of its own.
            around = trace_context.entered(None, is_sampled=self.is_sampled(None))
            around = TraceContext(around.trace_id, "", "", around.is_sampled)
        if not around.is_sampled:
            return
        now = time.time()
        own = trace_context.new_span_id()
        text = told.transcript
        attributes: dict[str, Any] = {
            "seacod.route": told.route,
            "seacod.outcome": told.outcome,
            "error.type": told.outcome if text is None else None,
        }
        if text is not None:
            attributes |= {
                "seacod.audio_seconds": round(text.duration_seconds, 3),
                "seacod.speech_seconds": round(text.speech_seconds, 3),
                "seacod.segments": len(text.segments),
                "seacod.model": text.model,
                "seacod.device": text.device,
            }
        self._span(
            "recognise", around, own, around.span_id, told.seconds, now, attributes,
            has_failed=told.is_our_fault,
        )  # fmt: skip
        if text is None:
            return
        began = now - told.seconds
        turn_at = began + text.queue_seconds
        for stage in _STAGES:
            seconds = text.stages.get(stage, 0.0)
            if seconds <= 0:
                continue
            # The queue comes first. The others are sums over the pieces of the recording, side
            # by side: they are as long as they are, from the moment of its turn on.
            begins = began if stage == "queue" else turn_at
            self._span(
                stage, around, trace_context.new_span_id(), own, seconds, begins + seconds,
                {"seacod.is_sum": stage != "queue"},
            )  # fmt: skip

    def _span(
        self, name: str, trace: TraceContext, own: str, parent: str, seconds: float,
        ended_at: float, attributes: dict[str, Any], *, kind: str = "INTERNAL",
        has_failed: bool = False,
    ) -> None:  # fmt: skip
        known = {key: value for key, value in attributes.items() if value is not None}
        span = self._make(
            name, trace.trace_id, own, parent, ended_at - seconds, ended_at, known, kind, has_failed
        )
        try:
            self._waiting.put_nowait(span)
        except queue.Full:
            self._count("dropped", 1)

    def close(self, timeout_seconds: float) -> None:
        """Send what waits, within this time. Blocking."""
        try:
            self._waiting.put(None, timeout=timeout_seconds)
        except queue.Full:
            return
        self._thread.join(timeout_seconds)

    # -- on its thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        is_over = False
        while not is_over:
            spans: list[ReadableSpan] = []
            deadline = time.monotonic() + _GATHER_SECONDS
            while len(spans) < _MOST_AT_ONCE:
                rest = deadline - time.monotonic()
                try:
                    # Without anything in hand, there is nothing to hurry for.
                    one = self._waiting.get(timeout=max(0.01, rest) if spans else None)
                except queue.Empty:
                    break
                if one is None:
                    is_over = True
                    break
                if not spans:
                    deadline = time.monotonic() + _GATHER_SECONDS
                spans.append(one)
            if spans:
                self._send(spans)

    def _send(self, spans: list[ReadableSpan]) -> None:
        self._said.text = ""
        try:
            is_taken = self._exporter.export(spans).name == "SUCCESS"
        except Exception as error:  # nothing of the library's ends our thread
            is_taken, self._said.text = False, f"{type(error).__name__}: {error}"
        self._count("exported" if is_taken else "dropped", len(spans))
        if is_taken and self._is_troubled:
            log.info("traces_taken_again", endpoint=self._settings.otlp_endpoint)
        now = time.monotonic()
        if not is_taken and now - self._told_at >= _TOLD_AGAIN_SECONDS:
            self._told_at = now
            log.warning(
                "traces_not_taken", endpoint=self._settings.otlp_endpoint, cause=self._said.text,
                spans=len(spans), hint="requests go on",
            )  # fmt: skip
        self._is_troubled = not is_taken


def _library(settings: TracingSettings, replica: int) -> tuple[Any, Callable[..., Any]]:
    """The exporter, and what makes a span."""
    try:
        import requests
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
        from opentelemetry.trace.status import Status, StatusCode
    except ImportError:
        raise ConfigError(
            "tracing.otlp_endpoint: needs the library of OpenTelemetry; install it with "
            "SEACOD_EXTRAS=otel ./install.sh (pip install 'seacod[otel]'), or leave it empty",
            "tracing.otlp_endpoint：缺少 OpenTelemetry 库，请以 SEACOD_EXTRAS=otel ./install.sh "
            "安装（pip install 'seacod[otel]'），或留空",
        ) from None
    session = requests.Session()
    # Of the environment's proxies those that every other part takes, too.
    session.trust_env = False
    if (proxy := proxies.proxy_for(settings.otlp_endpoint)) is not None:
        if proxy.problem:
            raise ConfigError(
                f"tracing.otlp_endpoint: {proxy.problem[0]}",
                f"tracing.otlp_endpoint：{proxy.problem[1]}",
            )
        session.proxies = {"http": proxy.url, "https": proxy.url}
    exporter = OTLPSpanExporter(
        endpoint=settings.otlp_endpoint, timeout=_SEND_SECONDS, session=session
    )
    resource = Resource(
        {
            "service.name": settings.service_name,
            "service.version": __version__,
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
            "host.name": socket.gethostname(),
            "seacod.worker": replica,
        }
    )
    scope = InstrumentationScope("seacod", __version__)

    def context(trace_id: str, span_id: str, *, is_remote: bool) -> SpanContext:
        flags = TraceFlags(TraceFlags.SAMPLED)
        return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote, flags)

    def make(
        name: str, trace_id: str, own: str, parent: str, began_at: float, ended_at: float,
        attributes: dict[str, Any], kind: str, has_failed: bool,
    ) -> ReadableSpan:  # fmt: skip
        return ReadableSpan(
            name,
            context=context(trace_id, own, is_remote=False),
            parent=context(trace_id, parent, is_remote=kind == "SERVER") if parent else None,
            resource=resource,
            attributes=attributes,
            kind=SpanKind[kind],
            status=Status(StatusCode.ERROR if has_failed else StatusCode.UNSET),
            start_time=int(began_at * 1e9),
            end_time=int(ended_at * 1e9),
            instrumentation_scope=scope,
        )

    return exporter, make
