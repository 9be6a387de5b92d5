"""A service for programs only: `server.page: off`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sounds
from supervised import PATIENCE_SECONDS, Service

from seacod.client import status_socket
from seacod.proving.checks.context import CheckContext
from seacod.proving.checks.item import Status
from seacod.proving.checks.items import serving


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    one = Service(tmp_path_factory.mktemp("no-page"))
    one.configure(server={"page": "off", "root_path": "/asr"})
    with one.running():
        yield one


def imported(service: Service) -> str:
    """The compiled modules that the worker has in its memory."""
    return Path(f"/proc/{service.worker_pid()}/maps").read_text("utf-8")


def test_the_root_says_where_the_api_is(service: Service) -> None:
    status, headers, body = service.get("/")
    told = json.loads(body)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert told["api"] == "/asr/openapi.json"
    assert "server.page" in told["message"]
    assert service.get("/openapi.json")[0] == 200


def test_no_other_address_of_the_page_is_there(service: Service) -> None:
    for path in ("/ui/x/main.js", "/theme.css", "/examples/sentence-1.flac", "/config"):
        status, _, body = service.get(path)
        assert status == 404
        assert json.loads(body)["error"]["code"] == "not_found"


def test_programs_notice_nothing(service: Service) -> None:
    with httpx.Client(base_url=service.url, timeout=PATIENCE_SECONDS, trust_env=False) as client:
        heard = client.post("/transcribe", files={"file": sounds.SPEECH.read_bytes()})
        assert heard.json()["text"] == sounds.SPEECH_TEXT
        made = client.post(
            "/batch_transcribe", files={"files": ("one.flac", sounds.SPEECH.read_bytes())}
        )
        assert made.status_code == 202, made.text
        for path in ("/health", "/health/ready", "/system", "/v1/models"):
            assert client.get(path).status_code == 200


def test_what_draws_the_page_is_in_no_process_that_serves(live: Service) -> None:
    # Gradio brings pandas along.
    assert "/torch/" in imported(live)
    assert "/pandas/" not in imported(live)
    assert b"sc-tab-single" in live.get("/")[2]


def test_the_check_knows_that_none_is_wanted(service: Service) -> None:
    finding = serving.page(CheckContext(service.config, None, sends=False))
    assert finding.status is Status.OK
    assert "server.page is off" in finding.seen[0]


@pytest.mark.full
def test_it_comes_with_a_reload(service: Service) -> None:
    service.configure(server={"page": "on", "root_path": "/asr"})
    told = status_socket.reload(service.config)
    assert told["replaced"] == ["server.page"]
    assert b"main.js" in service.get("/")[2]


@pytest.mark.full
def test_the_page_is_imported_without_stubs_of_gradio() -> None:
    """They cost as much as all the rest of its import."""
    code = (
        "import ast, inspect\n"
        "read, parse = [], ast.parse\n"
        "def counted(source, *more, **options):\n"
        "    read.append(source)\n"
        "    return parse(source, *more, **options)\n"
        "ast.parse = counted\n"
        "import seacod.web.page.gradio_lean\n"
        "from gradio.components import Textbox\n"
        "print(sum('class Textbox' in str(source) for source in read), inspect.getfile(Textbox))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    count, file = ran.stdout.split()
    assert count == "0"
    assert file.endswith("textbox.py")
