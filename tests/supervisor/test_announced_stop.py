"""A stop that is announced (server.drain_notice_seconds): /health/ready says so, everybody is
served."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import pytest
import sounds
from supervised import Service, wait_until

LONG = 3600
# A recording of which nothing comes but the beginning.
HEAD = (
    b"POST /transcribe HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
    b"Content-Type: multipart/form-data; boundary=x\r\nExpect: 100-continue\r\n\r\n"
)
BEGUN = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + bytes(
    5000
)


@pytest.mark.full
def test_readiness_goes_first_and_everybody_is_served(tmp_path: Path) -> None:
    """With the real worker, which is what a load balancer asks."""
    one = Service(tmp_path / "service")
    one.configure(server={"drain_notice_seconds": LONG}, worker={"drain_timeout_seconds": 1})
    with one.running():
        assert one.get("/health/ready")[0] == 200
        one.signal(signal.SIGTERM)
        wait_until(lambda: one.get("/health/ready")[0] == 503, "a service that says it will go")
        status, headers, body = one.get("/health/ready")
        assert json.loads(body) == {"status": "retiring"}
        assert headers["retry-after"] == "5"
        assert json.loads(one.get("/health")[2])["status"] == "retiring"
        with one.client() as client:
            assert client.transcribe(sounds.SPEECH).text == sounds.SPEECH_TEXT
        assert one.events("stop_announced")[0]["seconds"] == LONG
        uploading = socket.create_connection(("127.0.0.1", one.port))
        answers = uploading.makefile("rb")
        uploading.sendall(HEAD)
        # It is inside: somebody wants what it brings.
        assert answers.readline().startswith(b"HTTP/1.1 100")
        assert answers.readline() == b"\r\n"
        uploading.sendall(BEGUN)
        # Asked again, it goes now.
        assert one.stop() == 0
        # Who could not be served in the time is told so, and when to come again.
        head, _, body = answers.read().lower().partition(b"\r\n\r\n")
        assert head.startswith(b"http/1.1 503")
        assert b"retry-after: 2" in head
        assert b"x-request-id" in head
        error = json.loads(body)["error"]
        assert error["code"] == "not_ready"
        assert "send it again" in error["message"]
