"""Keys and logins: they cover page, API and uploads alike; without them everything is open."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import sounds
import typed
from patience import connect
from supervised import PATIENCE_SECONDS, Service

from seacod.system import credentials

KEY = credentials.new_key()
PASSWORD = "correct horse 电池"


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("closed"))
    service.configure(
        server={"page": "on"},
        access={
            "api_keys": f"robot:{credentials.hash_key(KEY)} "
            f"other:{credentials.hash_key(credentials.new_key())}",
            "users": f"小王:x anna:{credentials.hash_password(PASSWORD)}".split()[1],
            "cors_origins": "https://intranet.example",
        },
    )
    # Handed in as 06-socks-proxy.txt, with a mistyped one besides: nothing of ours needs a proxy.
    service.environment |= {
        "all_proxy": "socks5://127.0.0.1:1080",
        "HTTPS_PROXY": "htp://127.0.0.1:1",
    }
    with service.running():
        yield service


@pytest.fixture(scope="module")
def client(closed: Service) -> httpx.Client:
    return httpx.Client(base_url=closed.url, timeout=PATIENCE_SECONDS, trust_env=False)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("POST", "/transcribe"),
        ("POST", "/batch_transcribe"),
        ("GET", "/jobs/x"),
        ("GET", "/v1/models"),
        ("GET", "/system"),
        ("GET", "/openapi.json"),
        ("GET", "/config"),
        ("POST", "/gradio_api/upload"),
        ("GET", "/theme.css"),
        ("GET", "/ui/x/main.js"),
        ("POST", "/gradio_api/queue/join"),
    ],
)
def test_nothing_is_open_but_health(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert answer.json()["error"]["code"] == "unauthorized"
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]


def test_health_stays_open(client: httpx.Client) -> None:
    for path in ("/health", "/health/live", "/health/ready"):
        assert client.get(path).status_code == 200


def test_a_key_lets_in_and_a_wrong_one_does_not(client: httpx.Client) -> None:
    files = {"file": sounds.SPEECH.read_bytes()}
    for headers in ({"Authorization": f"Bearer {KEY}"}, {"X-API-Key": KEY}):
        answer = client.post("/transcribe", files=files, headers=headers)
        assert answer.json()["text"] == sounds.SPEECH_TEXT
    for headers in (
        {"Authorization": f"Bearer {KEY}x"},
        {"Authorization": "Bearer"},
        {"Authorization": KEY},
        {"X-API-Key": credentials.hash_key(KEY)},
        {"Authorization": f"Basic {KEY}"},
    ):
        assert client.get("/system", headers=headers).status_code == 401


def test_the_page_is_served_and_nothing_asks_a_proxy_of_the_environment(
    client: httpx.Client, closed: Service
) -> None:
    page = client.get("/", headers={"Authorization": f"Bearer {KEY}", "Accept": "text/html"})
    assert page.status_code == 200
    assert "<html" in page.text
    assert not closed.events("worker_exited")
    assert not closed.events("probe_failed")


def test_a_browsers_key_is_a_subprotocol(closed: Service) -> None:
    url = closed.url.replace("http", "ws") + "/v1/realtime?intent=transcription"
    with pytest.raises(Exception, match="403"):
        connect(url, subprotocols=["realtime"])  # type: ignore[list-item]
    protocols: Any = ["realtime", f"openai-insecure-api-key.{KEY}"]
    with connect(url, subprotocols=protocols) as socket:
        assert socket.subprotocol == "realtime"
        assert "session.created" in str(socket.recv(PATIENCE_SECONDS))


def test_a_check_says_that_a_key_is_asked_for_and_takes_one(closed: Service) -> None:
    def check(*arguments: str, **environment: str) -> dict[str, Any]:
        done = typed.seacod(
            "check", "--json", "--config", closed.config, "recognition", *arguments, **environment
        )
        assert "Traceback" not in done.stderr, done.stderr
        (found,) = (one for one in json.loads(done.stdout)["items"] if one["name"] == "recognition")
        return dict(found)

    without = check()
    assert without["status"] == "warn"
    assert "asks for a key" in without["seen"]
    assert "--key" in without["mend"]
    assert check("--key", KEY)["status"] == "ok"
    assert check(SEACOD_API_KEY=KEY)["status"] == "ok"


def test_a_login_opens_the_page(client: httpx.Client) -> None:
    for _ in range(2):  # the second time it is remembered
        assert client.get("/", auth=("anna", PASSWORD.encode())).status_code == 200
    for name, password in (("anna", "wrong"), ("nobody", PASSWORD), ("", "")):
        assert client.get("/", auth=(name, password.encode())).status_code == 401
    odd = base64.b64encode(b"\xff\xfe").decode()
    assert client.get("/", headers={"Authorization": f"Basic {odd}"}).status_code == 401


def test_the_openai_client_sends_its_key(closed: Service) -> None:
    def models(key: str) -> list[str]:
        one = openai.OpenAI(
            base_url=f"{closed.url}/v1", api_key=key, max_retries=0,
            http_client=httpx.Client(trust_env=False),
        )  # fmt: skip
        return [model.id for model in one.models.list()]

    assert models(KEY) == ["builtin"]
    with pytest.raises(openai.AuthenticationError, match="API key"):
        models("sk-wrong")


def test_other_origins_are_let_in_only_when_configured(client: httpx.Client) -> None:
    def preflight(origin: str) -> httpx.Response:
        return client.options(
            "/transcribe",
            headers={"Origin": origin, "Access-Control-Request-Method": "POST"},
        )

    allowed = "access-control-allow-origin"
    assert preflight("https://intranet.example").headers[allowed] == "https://intranet.example"
    assert allowed not in preflight("https://evil.example").headers


def test_no_origin_is_let_in_by_default(live: Service) -> None:
    answer = httpx.get(
        f"{live.url}/health",
        headers={"Origin": "https://evil.example"},
        trust_env=False,
        timeout=PATIENCE_SECONDS,
    )
    assert "access-control-allow-origin" not in answer.headers


def test_entries_are_made_by_a_command(tmp_path: Path) -> None:
    made = typed.seacod("access", "key", "robot")
    key = next(line.split()[1] for line in made.stdout.splitlines() if line.startswith("key:"))
    entry = next(line.split()[1] for line in made.stdout.splitlines() if line.startswith("entry:"))
    assert entry == f"robot:{credentials.hash_key(key)}"
    login = typed.seacod("access", "user", "anna", given=PASSWORD + "\n").stdout.split()[1]
    assert credentials.is_password(PASSWORD, login.partition(":")[2])
    config = tmp_path / "c.yaml"
    config.write_text(f"access:\n  api_keys: {entry}\n  users: {login}\n")
    assert typed.seacod("config", "check", str(config)).returncode == 0
    config.write_text("access:\n  api_keys: robot:plaintext\n")
    wrong = typed.seacod("config", "check", str(config))
    assert wrong.returncode == 78
    assert "seacod access key" in wrong.stderr
    assert "plaintext" not in wrong.stderr
    for refused in (
        typed.seacod("access", "user", "anna", given="short\n"),
        typed.seacod("access", "key", "two words"),
    ):
        assert refused.returncode == 1
        assert refused.stderr.startswith("seacod: ")
        assert "Traceback" not in refused.stderr
