"""Which requests a quota is asked for, and under which route a refusal is counted."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from seacod.errors import QuotaUsed
from seacod.routes import ROUTES
from seacod.web.middleware.quota import QuotaGate


def _nothing_left(client: str) -> None:
    raise QuotaUsed("used up", "已用完", retry_after_seconds=7)


@pytest.fixture
def refused() -> list[str]:
    return []


@pytest.fixture
def client(refused: list[str]) -> TestClient:
    async def page(request: Request) -> PlainTextResponse:
        return PlainTextResponse("here")

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    inner = Starlette(
        routes=[
            Route("/{path:path}", page, methods=["GET", "POST", "DELETE"]),
            WebSocketRoute("/{path:path}", socket),
        ]
    )
    gate = QuotaGate(inner, _nothing_left, lambda who, route, error: refused.append(route))
    return TestClient(gate)


@pytest.mark.parametrize("prefix", ["", "/asr"])
@pytest.mark.parametrize("route", ["/transcribe", "/batch_transcribe", "/v1/audio/transcriptions"])
def test_a_recording_is_refused_before_it_is_read(
    client: TestClient, refused: list[str], prefix: str, route: str
) -> None:
    answer = client.post(prefix + route, content=b"sound")
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "7"
    assert refused == [route]
    assert route in ROUTES


@pytest.mark.parametrize("route", ["/live", "/v1/realtime"])
def test_a_microphone_is_told_in_a_message(
    client: TestClient, refused: list[str], route: str
) -> None:
    with client.websocket_connect(route) as socket:
        told = socket.receive_json()
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_json()
    assert (told["type"], told["error"]["code"]) == ("error", "quota_used")
    assert ended.value.code == 1008
    assert refused == [route]
    assert route in ROUTES


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/transcribe"), ("GET", "/jobs"), ("DELETE", "/jobs/1"), ("POST", "/jobs/1/retry")],
)
def test_nothing_else_is_asked_for(
    client: TestClient, refused: list[str], method: str, path: str
) -> None:
    assert client.request(method, path).status_code == 200
    assert refused == []


def test_an_utterance_of_funasr_is_asked_for_where_it_is_read(
    client: TestClient, refused: list[str]
) -> None:
    with client.websocket_connect("/funasr"):
        pass
    assert refused == []
