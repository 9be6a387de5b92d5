"""Doors a mounted Gradio leaves open, tried by hand as somebody with bad intentions would."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
import sounds
from supervised import PATIENCE_SECONDS, Service


@pytest.fixture
def client(live: Service) -> httpx.Client:
    return httpx.Client(base_url=live.url, timeout=PATIENCE_SECONDS, trust_env=False)


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("POST", "/gradio_api/upload"),
        ("POST", "/gradio_api/run/single"),
        ("POST", "/gradio_api/api/predict"),
        ("POST", "/gradio_api/call/single"),
        ("POST", "/gradio_api/queue/join"),
        ("GET", "/gradio_api/queue/data?session_hash=x"),
        ("GET", "/gradio_api/heartbeat/x"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/file=/etc/passwd"),
        ("POST", "/gradio_api/component_server"),
        ("GET", "/gradio_api/startup-events"),
        ("POST", "/upload"),
        ("POST", "/run/single"),
        ("GET", "/file=/etc/passwd"),
        ("GET", "/proxy=http://127.0.0.1:1/"),
        ("GET", "/config"),
        ("GET", "/monitoring"),
        ("POST", "/"),
    ],
)
def test_nothing_of_gradio_can_be_called(client: httpx.Client, method: str, address: str) -> None:
    answer = client.request(method, address, json={"data": [None, ""]})
    assert answer.status_code in (404, 405), answer.text[:200]
    # In the one shape, also from behind Gradio's application.
    assert answer.json()["error"]["code"] in ("not_found", "method_not_allowed")


@pytest.mark.parametrize(
    "address",
    ["/gradio_api/file=../../etc/passwd", "/gradio_api/file=/proc/self/environ",
     "/static/../../etc/passwd", "/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
     "/assets/../../../../../../etc/passwd", "/assets//etc/passwd",
     "/ui/x/../../../../etc/passwd", "/ui/x//etc/passwd", "/ui/x/%2e%2e/page.py",
     "/examples/%2e%2e%2fexamples.json", "/examples/..%2f..%2fbuiltin%2fmodel.pt",
     "/gradio_api/file=http://127.0.0.1:1/"],
)  # fmt: skip
def test_nothing_is_served_from_the_disk(client: httpx.Client, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code in (400, 403, 404), answer.text[:200]
    assert "root:" not in answer.text
    assert "import" not in answer.text


def test_files_of_the_server_are_not_read(
    client: httpx.Client, tmp_path: Path, live: Service
) -> None:
    """The hole of a mounted Gradio: a path in the place of an upload."""
    foreign = tmp_path / "speech.flac"
    foreign.write_bytes(sounds.SPEECH.read_bytes())
    for path in (foreign, "/etc/passwd", live.config):
        given = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
        for address in ("/gradio_api/call/single", "/gradio_api/run/single", "/transcribe"):
            said = client.post(address, json={"data": [given, ""]}).text
            assert sounds.SPEECH_TEXT not in said
            assert json.dumps(sounds.SPEECH_TEXT)[1:-1] not in said
            assert "root:" not in said


def test_uploads_lie_in_our_directory_only(client: httpx.Client, live: Service) -> None:
    temporary = set(Path("/tmp").glob("gradio*"))
    answer = client.post("/transcribe", files={"file": sounds.SPEECH.read_bytes()})
    assert answer.status_code == 200
    assert set(Path("/tmp").glob("gradio*")) == temporary
    assert not list((live.directory / "state" / "uploads").rglob("upload-*"))


def test_nothing_is_loaded_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/").text
    hosts = set(re.findall(r"""(?:src|href)=["']https?://([^/"']+)""", page))
    assert hosts == set()


def test_our_files_are_kept_by_browsers_until_they_change(client: httpx.Client) -> None:
    page = client.get("/").text
    (script,) = set(re.findall(r"/ui/\w+/main\.js", page))
    answer = client.get(script)
    assert "immutable" in answer.headers["cache-control"]
    assert "javascript" in answer.headers["content-type"]
