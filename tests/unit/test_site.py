"""Pages of other sites are kept out, programs and our own page are not."""

from __future__ import annotations

import socket

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from seacod.config.access import AccessSettings
from seacod.config.server import ServerSettings
from seacod.web.middleware.site import AllowedHosts, SiteGuard

OURS = "http://127.0.0.1:7860"


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


async def listen(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_json({"type": "ready"})
    await websocket.close()


def client(*, hosts: str = "", origins: str = "", base: str = OURS) -> TestClient:
    methods = ["GET", "POST", "DELETE", "PUT"]
    paths = ("/", "/health", "/transcribe", "/jobs/1")
    app = Starlette(
        routes=[*(Route(path, hello, methods=methods) for path in paths),
                WebSocketRoute("/live", listen)]
    )  # fmt: skip
    guard = SiteGuard(
        app, ServerSettings(allowed_hosts=hosts), AccessSettings(cors_origins=origins)
    )
    return TestClient(guard, base)


FOREIGN: list[dict[str, str]] = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://["},
    {"Origin": "http://127.0.0.1:8080"},
    {"Origin": "http://127.0.0.1:7860.evil.example"},
    {"Origin": "http://127.0.0.1:7860@evil.example"},
    {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_page_of_another_site_changes_nothing(headers: dict[str, str]) -> None:
    for method, path in (("POST", "/transcribe"), ("DELETE", "/jobs/1"), ("PUT", "/")):
        answer = client().request(method, path, headers=headers)
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "foreign_page"
    with client().websocket_connect(f"ws{OURS[4:]}/live", headers=headers) as told:
        assert told.receive_json()["error"]["status"] == 403
        with pytest.raises(WebSocketDisconnect) as ended:
            told.receive_json()
        assert ended.value.code == 1008


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": OURS},
        {"Origin": OURS, "Sec-Fetch-Site": "same-origin"},
        {"Origin": "https://127.0.0.1:7860"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_programs_and_our_own_page_do(headers: dict[str, str]) -> None:
    assert client().post("/transcribe", headers=headers).status_code == 200
    with client().websocket_connect(f"ws{OURS[4:]}/live", headers=headers) as told:
        assert told.receive_json() == {"type": "ready"}


def test_links_from_elsewhere_open_the_page() -> None:
    assert client().get("/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


@pytest.mark.parametrize("origins", ["http://evil.example https://b.example", "*"])
def test_pages_that_the_operator_names_do(origins: str) -> None:
    headers = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert client(origins=origins).post("/transcribe", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:7860", "[::1]:7860", "[::1]", "192.168.7.8:80", "localhost",
     "LOCALHOST:7860", "localhost.", "a.localhost", socket.gethostname(), ""],
)  # fmt: skip
def test_this_machine_and_every_address_are_us(host: str) -> None:
    assert AllowedHosts([]).has(host)


@pytest.mark.parametrize(
    "host",
    ["rebind.example", "rebind.example:7860", "127.0.0.1.rebind.example", "localhost.evil.example",
     "evillocalhost", "2130706433", "127.0.0.1@evil", "::1.evil", "a b", "127.0.0.1:x", ":7860"],
)  # fmt: skip
def test_a_page_that_has_taken_our_address_is_found_out_by_its_name(host: str) -> None:
    assert not AllowedHosts([]).has(host)
    for method in ("GET", "POST"):
        answer = client().request(method, "/", headers={"Host": host})
        assert answer.status_code == 421
        assert "server.allowed_hosts" in answer.json()["error"]["message"]
    assert client().get("/health", headers={"Host": host}).status_code == 200


def test_names_are_configured_one_by_one_or_all_below_one() -> None:
    hosts = AllowedHosts(["asr.example.com", "*.example.org", "odd.example:81"])
    for host in ("asr.example.com", "asr.example.com:443", "a.example.org", "odd.example:81"):
        assert hosts.has(host)
    for host in ("example.com", "x.asr.example.com", "example.org", "badexample.org"):
        assert not hosts.has(host)
    assert AllowedHosts(["*"]).has("rebind.example")
