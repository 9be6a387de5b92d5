"""The shipped nginx configuration, with TLS, on a real nginx: page, uploads, events, microphone."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import sounds
from supervised import PATIENCE_SECONDS, ROOT, Service, free_port, wait_until

SHIPPED = (ROOT / "etc/nginx/seacod.conf").read_text("utf-8")
FRAME = """daemon off; pid {directory}/pid; error_log {directory}/error.log; worker_processes 1;
events {{ }}
http {{ access_log off; client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
  include {directory}/seacod.conf; }}
"""


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Starts one in front of a service; its address."""
    started: list[subprocess.Popen[bytes]] = []

    def start(service: Service, prefix: str = "") -> str:
        program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
        assert program, "nginx is missing: apt-get install nginx-light"
        port = free_port()
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
             "-subj", "/CN=localhost", "-keyout", tmp_path / "key", "-out", tmp_path / "pem"],
            check=True, capture_output=True,
        )  # fmt: skip
        conf = SHIPPED
        for pattern, value in (
            (r"listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
            (r"/etc/ssl/certs/\S+;", f"{tmp_path}/pem;"),
            (r"/etc/ssl/private/\S+;", f"{tmp_path}/key;"),
            (r"127\.0\.0\.1:7860", f"127.0.0.1:{service.port}"),
        ):
            conf, count = re.subn(pattern, value, conf)
            assert count, pattern
        if prefix:
            conf = conf.replace("location / {", f"location {prefix}/ {{")
            conf = conf.replace(f"{service.port};", f"{service.port}/;")
        (tmp_path / "seacod.conf").write_text(conf)
        (tmp_path / "nginx.conf").write_text(FRAME.format(directory=tmp_path))
        started.append(
            subprocess.Popen([program, "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)])
        )
        url = f"https://127.0.0.1:{port}{prefix}"

        def answers() -> bool:
            try:
                answer = httpx.get(f"{url}/health", verify=False, trust_env=False)
            except httpx.TransportError:
                return False
            return answer.status_code == 200

        wait_until(answers, "nginx")
        return url

    yield start
    for process in started:
        process.terminate()
        process.wait()


def use_everything(visit: Callable[..., object], url: str) -> None:
    seen = visit(url=f"{url}/", ignore_https_errors=True)
    failed: list[str] = []
    seen.page.on("pageerror", lambda error: failed.append(str(error)))
    seen.page.on("response", lambda a: failed.append(a.url) if a.status >= 400 else None)
    seen.page.reload()
    seen.page.wait_for_selector("#sc-tab-single[data-seacod=ready]")
    assert seen.hear(sounds.SPEECH) == sounds.SPEECH_TEXT
    seen.speak()
    seen.open_tab("batch")
    seen.page.set_input_files("#sc-batch-files", sounds.SPEECH)
    seen.page.click("#sc-batch button[type=submit]")
    seen.page.wait_for_function(
        "document.querySelector('#sc-job-summary')?.innerText.includes('已完成')"
    )
    with seen.page.expect_download() as download:
        seen.page.click("#sc-job-results")
    assert Path(download.value.path()).read_bytes().startswith(b"PK")
    seen.open_tab("system")
    seen.page.wait_for_selector("#sc-system dd")
    for link in seen.page.locator(".sc-footer a").evaluate_all("all => all.map(a => a.href)"):
        answer = httpx.get(link, verify=False, trust_env=False, timeout=PATIENCE_SECONDS)
        assert answer.status_code == 200
    assert failed == []
    assert seen.outside == []


def test_the_shipped_configuration_carries_everything(visit, live: Service, nginx) -> None:
    url = nginx(live)
    use_everything(visit, url)
    with httpx.Client(verify=False, trust_env=False, timeout=PATIENCE_SECONDS) as client:
        files = {"file": sounds.SPEECH.read_bytes()}
        with client.stream("POST", f"{url}/transcribe?stream=true", files=files) as answer:
            assert "event: done" in "".join(answer.iter_text())
        refused = client.post(f"{url}/transcribe", files={"file": bytes(4 << 20)})
        assert refused.status_code == 413
        assert refused.json()["error"]["code"] == "too_big"


def test_under_a_path_of_its_own(visit, nginx, tmp_path: Path) -> None:
    service = Service(tmp_path / "service")
    service.configure(server={"page": "on", "root_path": "/asr"})
    with service.running():
        use_everything(visit, nginx(service, "/asr"))
