"""Fetching models, by ModelScope's real client from a stand-in of its server (the real one cannot
be reached from everywhere tests run). What it serves is the built-in model.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
import typed

from seacod.models import manifest
from seacod.models.registry import BUILTIN

NAME = "iic/small"
# What a hub has: the built-in model without our list of its hashes.
FILES = {
    p.name: p.read_bytes()
    for p in sorted(BUILTIN.iterdir())
    if p.is_file() and p.name != manifest.NAME
}


class Hub(http.server.ThreadingHTTPServer):
    """Two addresses of ModelScope's API: the list of files, and a file."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files = dict(FILES)
        self.claims: dict[str, bytes] = {}
        self.refuse_with: int | None = None
        self.tokens: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(http.server.BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        address = urllib.parse.urlsplit(self.path)
        asked = urllib.parse.parse_qs(address.query)
        self.server.tokens.add(self.headers.get("Authorization", ""))
        if self.server.refuse_with or f"/models/{NAME}/" not in address.path:
            status = self.server.refuse_with or 404
            self._send(status, json.dumps({"Code": status, "Message": "no"}).encode())
        elif address.path.endswith("/repo/files"):
            listed = [
                {
                    "Name": name, "Path": name, "Type": "blob", "Size": len(content),
                    "Sha256": hashlib.sha256(self.server.claims.get(name, content)).hexdigest(),
                    "Revision": "abc", "IsLFS": False,
                }
                for name, content in self.server.files.items()
            ]  # fmt: skip
            body = {"Code": 200, "Success": True, "Data": {"Files": listed}}
            self._send(200, json.dumps(body).encode())
        else:
            self._file(self.server.files[asked["FilePath"][0]])

    def _file(self, content: bytes) -> None:
        wanted = self.headers.get("Range")
        if wanted is None:
            self._send(200, content)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = int(first), int(last) if last else len(content) - 1
        self._send(206, content[start : end + 1], f"bytes {start}-{end}/{len(content)}")

    def _send(self, status: int, body: bytes, content_range: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: object) -> None:
        """Nothing: pytest's output is for failures."""


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, name="hub", daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def seacod(
    state: Path, *arguments: str, endpoint: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return typed.seacod(
        *arguments,
        **{
            "SEACOD_PATHS_STATE_DIRECTORY": str(state), "MODELSCOPE_ENDPOINT": endpoint,
            "NO_PROXY": "*", **environment,
        },
    )  # fmt: skip


def test_a_model_is_fetched_verified_and_used(hub: Hub, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("ms-secret\n")
    token.chmod(0o600)
    outcome = seacod(
        tmp_path / "state", "model", "fetch", NAME, endpoint=hub.url,
        SEACOD_ASR_HUB_TOKEN_FILE=str(token),
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stderr
    assert f"{NAME}: fetched" in outcome.stdout
    assert f"{NAME}: good" in outcome.stdout
    assert "secret" not in outcome.stdout + outcome.stderr
    assert any("ms-secret" in told for told in hub.tokens)
    directory = tmp_path / "state" / "models" / NAME
    assert {name: (directory / name).read_bytes() for name in FILES} == FILES
    listed = json.loads((directory / "seacod-manifest.json").read_text())
    assert listed["sha256"]["model.pt"] == hashlib.sha256(FILES["model.pt"]).hexdigest()
    # A second time nothing is asked for.
    hub.refuse_with = 500
    again = seacod(tmp_path / "state", "model", "fetch", NAME, endpoint=hub.url)
    assert again.returncode == 0, again.stderr


def refusal(outcome: subprocess.CompletedProcess[str], state: Path) -> str:
    """The one sentence of a failed fetch, which must leave nothing that looks like a model."""
    assert outcome.returncode == 69
    assert "Traceback" not in outcome.stderr
    lines = [line for line in outcome.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, outcome.stderr
    assert not (state / "models" / NAME).exists()
    return lines[0]


@pytest.mark.parametrize(("status", "words"), [(404, "has no model"), (403, "refuses")])
def test_what_the_hub_does_not_give(hub: Hub, tmp_path: Path, status: int, words: str) -> None:
    hub.refuse_with = status
    outcome = seacod(tmp_path, "model", "fetch", NAME, endpoint=hub.url)
    sentence = refusal(outcome, tmp_path)
    assert words in sentence
    assert "asr.hub_token_file" in sentence


def test_no_network_says_what_to_do(tmp_path: Path) -> None:
    outcome = seacod(tmp_path, "model", "fetch", "paraformer-zh", endpoint="http://127.0.0.1:9")
    sentence = refusal(outcome, tmp_path)
    for hint in ("cannot be fetched from ModelScope", "https_proxy", "asr.model: builtin"):
        assert hint in sentence


def test_a_file_that_is_not_what_it_claims_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.claims["model.pt"] = b"something else"
    outcome = seacod(tmp_path, "model", "fetch", NAME, endpoint=hub.url)
    assert "cannot be fetched" in refusal(outcome, tmp_path)


def test_what_is_no_model_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.files = {"README.md": b"# hello"}
    outcome = seacod(tmp_path, "model", "fetch", NAME, endpoint=hub.url)
    assert "is not a FunASR model" in refusal(outcome, tmp_path)


@pytest.mark.full
def test_what_does_not_load_is_said(hub: Hub, tmp_path: Path) -> None:
    hub.files["model.pt"] = b"garbage"
    outcome = seacod(tmp_path, "model", "fetch", NAME, endpoint=hub.url)
    assert outcome.returncode == 69
    assert "does not load" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_model_that_no_recogniser_is_for_is_refused_by_its_class(
    hub: Hub, tmp_path: Path
) -> None:
    hub.files["config.yaml"] = b"model: SenseVoiceSmall\n"
    outcome = seacod(tmp_path, "model", "fetch", NAME, endpoint=hub.url)
    assert outcome.returncode == 69
    (sentence,) = outcome.stderr.splitlines()
    assert f"{NAME} is of the class SenseVoiceSmall" in sentence
    assert "SeacoParaformer" in sentence


@pytest.mark.parametrize(
    ("name", "words"),
    [("builtin", "needs no download"), ("./here", "needs no download")],
)
def test_what_needs_no_download(tmp_path: Path, name: str, words: str) -> None:
    outcome = seacod(tmp_path, "model", "fetch", name, endpoint="http://127.0.0.1:9")
    assert outcome.returncode == 0
    assert words in outcome.stdout


def test_a_name_of_nothing(tmp_path: Path) -> None:
    outcome = seacod(tmp_path, "model", "fetch", "parafromer", endpoint="http://127.0.0.1:9")
    assert outcome.returncode == 78
    assert "'parafromer', which is no model; did you mean paraformer-zh?" in outcome.stderr
