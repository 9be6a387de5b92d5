"""Every address x {no key, a wrong, a revoked, the right one}, over HTTP and WebSockets: the
application around all routes, in this process. And what an upload may weigh."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from in_use import in_use
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from seacod.config.access import AccessSettings
from seacod.errors import BadRequest, NotReady, QueueFull, SeacodError, StorageFull, TooBig
from seacod.system import credentials
from seacod.system.files import free_space
from seacod.web import closing, uploads
from seacod.web.logins.logins import Logins
from seacod.web.middleware import disk_guard
from seacod.web.middleware.access import Access, client_of
from seacod.web.middleware.errors import answer
from seacod.web.sources import Sources

KEY, REVOKED = credentials.new_key(), credentials.new_key()
PASSWORD = "correct horse"
OPEN = ("/health", "/health/live", "/health/ready", "/favicon.ico")
CLOSED = ("/", "/transcribe", "/jobs/1", "/v1/models", "/system", "/healthy", "/health/live/x")
SOCKETS = ("/live", "/funasr", "/v1/realtime")
WRONG: list[dict[str, str]] = [
    {},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": f"Bearer {KEY}x"},
    {"Authorization": f"Bearer {REVOKED}"},
    {"Authorization": KEY},
    {"Authorization": f"Digest {KEY}"},
    {"Authorization": f"Basic {base64.b64encode(f'robot:{KEY}'.encode()).decode()}"},
    {"X-API-Key": ""},
    {"X-API-Key": credentials.hash_key(KEY)},
    {"Sec-WebSocket-Protocol": f"realtime, openai-insecure-api-key.{REVOKED}"},
    {"Cookie": "seacod_session=" + "x" * 43},
]
RIGHT: list[dict[str, str]] = [
    {"Authorization": f"Bearer {KEY}"},
    {"Authorization": f"bearer  {KEY} "},
    {"X-API-Key": KEY},
]


async def who(request: Request) -> JSONResponse:
    return JSONResponse({"client": client_of(request)})


async def listen(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_json({"client": client_of(socket)})
    await socket.close()


def guarded(directory: Path, prefix: str = "", **settings: str) -> TestClient:
    keys = {"api_keys": f"robot:{credentials.hash_key(KEY)}", **settings}
    access = AccessSettings(**keys)  # type: ignore[arg-type]
    inner = Starlette(routes=[WebSocketRoute("/{path:path}", listen), Route("/{path:path}", who)])
    logins = Logins(access, directory, lambda result: None)
    return TestClient(
        Access(inner, access, logins, prefix), client=("10.1.2.3", 5), follow_redirects=False
    )


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    return guarded(tmp_path_factory.mktemp("keys"))


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("headers", WRONG)
def test_nothing_is_open_without_the_right_key(
    client: TestClient, path: str, headers: dict[str, str]
) -> None:
    told = client.get(path, headers=headers)
    assert told.status_code == 401
    assert told.json()["error"]["code"] == "unauthorized"
    assert "身份验证" in told.json()["error"]["message_zh"]
    assert told.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize("path", SOCKETS)
@pytest.mark.parametrize("headers", WRONG)
def test_no_microphone_is_open_without_the_right_key(
    client: TestClient, path: str, headers: dict[str, str]
) -> None:
    with pytest.raises(WebSocketDisconnect) as ended, client.websocket_connect(
        path, headers=headers
    ):  # fmt: skip
        pass
    assert ended.value.code == closing.POLICY


@pytest.mark.parametrize("headers", RIGHT)
def test_the_right_key_opens_all_of_it_under_its_name(
    client: TestClient, headers: dict[str, str]
) -> None:
    for path in CLOSED:
        assert client.get(path, headers=headers).json() == {"client": "key:robot"}
    for path in SOCKETS:
        with client.websocket_connect(path, headers=headers) as socket:
            assert socket.receive_json() == {"client": "key:robot"}


def test_who_has_no_name_is_a_customer_not_one_of_his_addresses() -> None:
    app = Starlette(routes=[Route("/", who)])
    seen = {
        TestClient(app, client=(f"2001:db8::{number}", 5)).get("/").json()["client"]
        for number in (1, 2)
    }
    assert seen == {"2001:db8::/64"}


def test_a_browsers_microphone_sends_its_key_as_a_protocol(client: TestClient) -> None:
    protocols = ["realtime", f"openai-insecure-api-key.{KEY}"]
    for path in SOCKETS:
        with client.websocket_connect(path, subprotocols=protocols) as socket:
            assert socket.receive_json() == {"client": "key:robot"}


@pytest.mark.parametrize("path", OPEN)
def test_health_has_no_key_with_and_without_a_prefix(tmp_path: Path, path: str) -> None:
    for prefix in ("", "/asr"):
        assert guarded(tmp_path, prefix).get(prefix + path).status_code == 200


def test_without_keys_everybody_comes_in_by_address(tmp_path: Path) -> None:
    open_to_all = guarded(tmp_path, api_keys="")
    assert open_to_all.get("/system").json() == {"client": "10.1.2.3"}
    with open_to_all.websocket_connect("/live") as socket:
        assert socket.receive_json() == {"client": "10.1.2.3"}


@pytest.mark.parametrize(("addresses", "is_open"), [("10.0.0.0/8", True), ("10.1.2.4", False)])
def test_funasrs_clients_are_known_by_their_address_on_their_route_alone(
    tmp_path: Path, addresses: str, *, is_open: bool
) -> None:
    client = guarded(tmp_path, funasr_addresses=addresses)
    if is_open:
        with client.websocket_connect("/funasr") as socket:
            assert socket.receive_json() == {"client": "10.1.2.3"}
    else:
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/funasr"):
            pass
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/live"):
        pass
    assert client.get("/funasr").status_code == 401


def test_who_comes_from_elsewhere_needs_a_key_for_funasr_even_where_nobody_else_does(
    tmp_path: Path,
) -> None:
    client = guarded(tmp_path, api_keys="", funasr_addresses="192.0.2.0/24")
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/funasr"):
        pass
    assert client.get("/system").status_code == 200


@pytest.fixture(scope="module")
def with_logins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    yield guarded(
        tmp_path_factory.mktemp("logins"), users=f"anna:{credentials.hash_password(PASSWORD)}"
    )


def test_a_person_who_waits_for_a_page_is_led_to_the_login_and_back(
    with_logins: TestClient,
) -> None:
    told = with_logins.get("/system?lang=zh", headers={"Sec-Fetch-Mode": "navigate"})
    assert told.status_code == 303
    assert told.headers["location"] == "/login?next=/system%3Flang%3Dzh"
    script = with_logins.get("/system", headers={"Sec-Fetch-Mode": "cors"})
    # A browser would show a dialog of its own, instead of our page.
    assert script.headers["www-authenticate"].startswith("Bearer ")
    program = with_logins.get("/system")
    assert program.headers["www-authenticate"].startswith("Basic ")


def test_a_password_is_one_only_where_there_are_logins(
    with_logins: TestClient, client: TestClient
) -> None:
    for name, password, status in (("anna", PASSWORD, 200), ("anna", "x", 401), ("", "", 401)):
        assert with_logins.get("/system", auth=(name, password)).status_code == status
    assert client.get("/system", auth=("anna", PASSWORD)).status_code == 401


def test_a_session_helps_nobody_whose_key_is_wrong(tmp_path: Path) -> None:
    access = AccessSettings(users=f"anna:{credentials.hash_password(PASSWORD)}")
    token = Logins(access, tmp_path, lambda result: None).sessions.begin("anna")
    client = guarded(tmp_path, users=access.users)
    cookie = {"Cookie": f"seacod_session={token}"}
    assert client.get("/system", headers=cookie).json() == {"client": "user:anna"}
    for wrong in WRONG[1:10]:
        assert client.get("/system", headers={**cookie, **wrong}).status_code == 401, wrong


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (closing.Moved("x", "x"), 1012),
        (NotReady("x", "x"), 1013),
        (QueueFull("x", "x", retry_after_seconds=1), 1013),
        (BadRequest("x", "x"), 1008),
        (SeacodError("x", "x"), 1011),
    ],
)
def test_the_end_of_a_microphone_says_whose_turn_it_is(error: SeacodError, code: int) -> None:
    assert closing.code(error) == code


# -- uploads ----------------------------------------------------------------------------------


FREE = 1000


@pytest.mark.parametrize("path", ["/transcribe", "/batch_transcribe", "/v1/audio/transcriptions"])
@pytest.mark.parametrize(
    ("reserve", "status"), [(0, 200), (FREE - 11, 200), (FREE - 10, 200), (FREE - 9, 507)]
)
def test_an_upload_leaves_the_disk_its_reserve(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str, reserve: int, status: int
) -> None:
    monkeypatch.setattr(free_space, "free_bytes", lambda place: FREE)
    inner = Starlette(routes=[Route("/{path:path}", who, methods=["GET", "POST"])])
    client = TestClient(
        disk_guard.guarded(inner, tmp_path, in_use(storage={"free_refuse_bytes": reserve}))
    )
    told = client.post(path, content=b"x" * 10)
    assert told.status_code == status
    if status == 507:
        assert told.json()["error"]["code"] == "storage_full"
        assert "磁盘" in told.json()["error"]["message_zh"]
    assert client.get(path).status_code == 200
    assert client.post("/jobs/1", content=b"x" * 10).status_code == 200


def receiving(directory: Path, most: int) -> TestClient:
    sources = Sources(in_use())

    async def take(request: Request) -> JSONResponse:
        try:
            async with uploads.received(request, directory, most, sources) as upload:
                size = upload.path.stat().st_size
            return JSONResponse({"size": size})
        except SeacodError as error:
            return answer(request, error.http_status, error.code, error.message, error.chinese)

    return TestClient(Starlette(routes=[Route("/", take, methods=["POST"])]))


@pytest.mark.parametrize(("size", "status"), [(99, 200), (100, 200), (101, 413)])
def test_a_recording_is_as_big_as_it_may_be_and_never_stays(
    tmp_path: Path, size: int, status: int
) -> None:
    told = receiving(tmp_path, 100).post("/", files={"file": b"x" * size})
    assert told.status_code == status
    assert list(tmp_path.iterdir()) == []


def test_a_recording_has_its_field(tmp_path: Path) -> None:
    told = receiving(tmp_path, 100).post("/", files={"sound": b"x"})
    assert (told.status_code, told.json()["error"]["code"]) == (400, "bad_request")
    assert list(tmp_path.iterdir()) == []


def test_what_says_itself_that_it_is_too_big_is_not_read(tmp_path: Path) -> None:
    read = 0
    most = 100 + uploads.around_bytes(1)

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b"x", "more_body": read < 3}

    async def run(declared: int) -> None:
        headers = [(b"content-length", str(declared).encode()), (b"content-type", b"text/plain")]
        request = Request({"type": "http", "headers": headers}, receive)
        await uploads.form_of(
            request, lambda number: tmp_path / "x", max_file_bytes=100, max_files=1,
            settings=in_use(),
        )  # fmt: skip

    with pytest.raises(TooBig):
        asyncio.run(run(most + 1))
    assert read == 0
    with pytest.raises(BadRequest):  # no form, and its size is nobody's fault
        asyncio.run(run(most))
    assert list(tmp_path.iterdir()) == []


def test_who_sends_more_than_was_said_is_refused_too(tmp_path: Path) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    coming = [head, *[b"x" * 60] * 5, b"\r\n--x--\r\n"]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": coming.pop(0), "more_body": bool(coming)}

    async def run() -> None:
        headers = [(b"content-type", b"multipart/form-data; boundary=x")]
        request = Request({"type": "http", "headers": headers}, receive)
        await uploads.form_of(
            request, lambda number: tmp_path / "x", max_file_bytes=100, max_files=1,
            settings=in_use(),
        )  # fmt: skip

    with pytest.raises(TooBig):
        asyncio.run(run())


def test_an_upload_that_does_not_say_how_much_leaves_the_disk_its_reserve_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nor does one beside which others fill it. Noticed on the way."""
    target = tmp_path / "x"

    def free(place: Path) -> int:
        return (100 << 20) - (target.stat().st_size if target.exists() else 0)

    monkeypatch.setattr(free_space, "free_bytes", free)
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    coming = [head, *[bytes(1 << 20)] * 40, b"\r\n--x--\r\n"]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": coming.pop(0), "more_body": bool(coming)}

    async def run(reserve: int) -> None:
        headers = [(b"content-type", b"multipart/form-data; boundary=x")]
        await uploads.form_of(
            Request({"type": "http", "headers": headers}, receive), lambda number: target,
            max_file_bytes=1 << 30, max_files=1,
            settings=in_use(storage={"free_refuse_bytes": reserve}),
        )  # fmt: skip

    with pytest.raises(StorageFull):
        asyncio.run(run(80 << 20))
    assert 20 << 20 < target.stat().st_size < 23 << 20
