"""A service in an environment whose proxies cannot be used: nothing of ours needs one."""

from __future__ import annotations

from pathlib import Path

import sounds
from supervised import Service


def test_a_service_with_its_page_serves_under_a_socks_proxy(tmp_path: Path) -> None:
    """Handed in as 06-socks-proxy.txt, with a mistyped one besides."""
    service = Service(tmp_path)
    service.configure(server={"page": "on"})
    service.environment |= {
        "all_proxy": "socks5://127.0.0.1:1080",
        "HTTPS_PROXY": "htp://127.0.0.1:1",
    }
    with service.running():
        status, _, page = service.get("/", Accept="text/html")
        assert status == 200
        assert b"<html" in page
        with service.client() as client:
            heard = client.transcribe(("speech", sounds.SPEECH.read_bytes()))
        assert heard.text == sounds.SPEECH_TEXT
        assert not service.events("worker_exited")
        assert not service.events("probe_failed")
        assert service.stop() == 0
