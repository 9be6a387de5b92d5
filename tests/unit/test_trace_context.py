"""W3C Trace Context: what is taken from a caller, what is answered, what stands in the log."""

from __future__ import annotations

import json
import re

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from seacod import logs
from seacod.config.log import LogSettings
from seacod.system.net import trace_context
from seacod.system.net.trace_context import TraceParent
from seacod.web.middleware.traces import Answered, Traces

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("header", "is_sampled"),
    [
        (GOOD, True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"  00-{TRACE}-{SPAN}-03 ", True),
        # Of a later version, with more behind it.
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-brings", True),
        (f"cc-{TRACE}-{SPAN}-01", True),
    ],
)
def test_what_a_caller_says(header: str, is_sampled: bool) -> None:
    assert trace_context.parse(header) == TraceParent(TRACE, SPAN, is_sampled)


@pytest.mark.parametrize(
    "header",
    [
        "", "00", f"00-{TRACE}-{SPAN}", f"00-{TRACE}-{SPAN}-01-more", f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[1:]}-{SPAN}-01", f"00_{TRACE}_{SPAN}_01", f"cc-{TRACE}-{SPAN}-01.more",
        f"00-{TRACE}-{SPAN}-1",
    ],
)  # fmt: skip
def test_what_says_nothing_that_counts(header: str) -> None:
    assert trace_context.parse(header) is None


@given(st.text())
def test_no_header_makes_it_fall_over(header: str) -> None:
    trace_context.parse(header)


def test_ids_are_of_the_right_form() -> None:
    context = trace_context.entered(None, is_sampled=True)
    assert re.fullmatch("[0-9a-f]{32}", context.trace_id)
    assert re.fullmatch("[0-9a-f]{16}", context.span_id)
    assert context.parent_id == ""
    assert trace_context.parse(context.response) == TraceParent(
        context.trace_id, context.span_id, True
    )


@pytest.fixture
def told() -> list[Answered]:
    return []


@pytest.fixture
def client(told: list[Answered]) -> TestClient:
    async def page(request: Request) -> PlainTextResponse:
        structlog.get_logger().info("heard")
        return PlainTextResponse("text")

    async def microphone(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    inner = Starlette(
        routes=[
            Route("/{path:path}", page, methods=["GET", "POST"]),
            WebSocketRoute("/{path:path}", microphone),
        ]
    )
    return TestClient(
        Traces(inner, lambda parent: parent is None or parent.is_sampled, told.append)
    )


def test_an_answer_names_its_trace_and_so_does_the_log(
    client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(LogSettings(format="json"), "worker")
    try:
        answer = client.post("/transcribe", headers={"traceparent": GOOD})
    finally:
        structlog.reset_defaults()
    found = trace_context.parse(answer.headers["traceresponse"])
    assert found is not None
    assert (found.trace_id, found.is_sampled) == (TRACE, True)
    assert found.span_id != SPAN
    line = json.loads(capsys.readouterr().err)
    assert (line["trace_id"], line["span_id"]) == (TRACE, found.span_id)


def test_who_brings_none_is_given_one(client: TestClient) -> None:
    first, second = (client.post("/transcribe").headers["traceresponse"] for _ in range(2))
    assert trace_context.parse(first) is not None
    assert first.split("-")[1] != second.split("-")[1]


def test_two_are_none(client: TestClient) -> None:
    twice = [("traceparent", GOOD), ("traceparent", GOOD)]
    answer = client.post("/transcribe", headers=twice)  # type: ignore[arg-type]
    assert TRACE not in answer.headers["traceresponse"]


def test_what_brings_something_to_hear_is_told_where_it_is_sampled(
    client: TestClient, told: list[Answered]
) -> None:
    client.get("/health", headers={"traceparent": GOOD})
    client.post("/transcribe", headers={"traceparent": f"00-{TRACE}-{SPAN}-00"})
    assert told == []
    client.post("/transcribe", headers={"traceparent": GOOD})
    with client.websocket_connect("/live", headers={"traceparent": GOOD}):
        pass
    assert [(one.method, one.path, one.status) for one in told] == [
        ("POST", "/transcribe", 200),
        ("GET", "/live", 0),
    ]
    assert {one.trace.parent_id for one in told} == {SPAN}


def test_a_websocket_that_is_accepted_without_headers_has_it_too(told: list[Answered]) -> None:
    async def refuses(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1013})

    with TestClient(Traces(refuses)).websocket_connect("/live") as socket:
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_text()
        names = [name for name, _ in socket.extra_headers]
    assert ended.value.code == 1013
    assert b"traceresponse" in names
