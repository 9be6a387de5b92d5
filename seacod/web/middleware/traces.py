"""Takes `traceparent`, answers with `traceresponse`, and puts the trace into each line of the log
while a request is answered. Outside of everything; sends nothing: who exports is told of requests
that bring something to hear.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seacod.system.net import trace_context
from seacod.system.net.trace_context import TraceContext, TraceParent
from seacod.web.middleware.quota import route_of

RESPONSE = "traceresponse"


@dataclass(frozen=True, slots=True)
class Answered:
    """A request with a recording or a microphone that is over.

    Args:
        trace: its place.
        method: GET, POST.
        path: as it was asked.
        status: of the answer; 0 where there was none, and of a WebSocket.
        request_id: as in the log; empty of a WebSocket.
        seconds: from its head to the end of its answer.
    """

    trace: TraceContext
    method: str
    path: str
    status: int
    request_id: str
    seconds: float


class Traces:
    """
    Args:
        app: answers the requests.
        is_sampled: whether one is to be exported; given what called it.
        on_answered: told of those that are.
    """

    def __init__(
        self,
        app: ASGIApp,
        is_sampled: Callable[[TraceParent | None], bool] = lambda parent: False,
        on_answered: Callable[[Answered], None] = lambda answered: None,
    ) -> None:
        self._app = app
        self._is_sampled = is_sampled
        self._on_answered = on_answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        # Several are none: nobody knows which is meant.
        given = Headers(scope=scope).getlist("traceparent")
        parent = trace_context.parse(given[0]) if len(given) == 1 else None
        trace = trace_context.entered(parent, is_sampled=self._is_sampled(parent))
        status = 0

        async def send_with_trace(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.accept"):
                status = int(message.get("status", 0))
                # A WebSocket may be accepted without any.
                message.setdefault("headers", [])
                MutableHeaders(scope=message)[RESPONSE] = trace.response
            await send(message)

        began = time.monotonic()
        token = trace_context.current.set(trace)
        try:
            with structlog.contextvars.bound_contextvars(
                trace_id=trace.trace_id, span_id=trace.span_id
            ):
                await self._app(scope, receive, send_with_trace)
        finally:
            trace_context.current.reset(token)
            if trace.is_sampled and route_of(scope) is not None:
                self._on_answered(
                    Answered(
                        trace,
                        str(scope.get("method", "GET")),
                        str(scope["path"]),
                        status,
                        str(scope.get("state", {}).get("request_id", "")),
                        time.monotonic() - began,
                    )
                )
