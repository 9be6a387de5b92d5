"""A stop that is announced (server.drain_notice_seconds): /health/ready says so, everybody is
served."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import sounds
from supervised import Service, wait_until

LONG = 3600


def test_readiness_goes_first_and_everybody_is_served(tmp_path: Path) -> None:
    """With the real worker, which is what a load balancer asks."""
    one = Service(tmp_path / "service")
    one.configure(server={"drain_notice_seconds": LONG})
    one.start()
    try:
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
        # Asked again, it goes now.
        assert one.stop() == 0
    finally:
        one.kill()
