"""`seacod pause` and `resume` on a real service: what runs is finished, what is new is refused with
the reason, batches wait, and a restart changes nothing of it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sounds
import typed
from patience import connect
from supervised import PATIENCE_SECONDS, Service, wait_until

REASON = "new disks until 14:00"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    one = Service(tmp_path)
    one.configure(limits={"concurrent_job_files": 1})
    one.start()
    yield one
    one.stop()


def seacod(service: Service, *words: str, code: int = 0) -> str:
    done = typed.seacod(*words, "--config", service.config)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_planned_work(service: Service) -> None:
    client = httpx.Client(base_url=service.url, timeout=PATIENCE_SECONDS, trust_env=False)
    sound = sounds.SPEECH.read_bytes()
    # Enough that some of them wait.
    files = [("files", (f"{n}.wav", sound)) for n in range(40)]
    with connect(f"ws{service.url.removeprefix('http')}/live") as microphone:
        microphone.send(json.dumps({"type": "start", "sample_rate": 16_000}))
        job = client.post("/batch_transcribe", files=files).json()["job"]
        said = seacod(service, "pause", *REASON.split(), "--retry-after", "77")
        assert "paused" in said
        # Typed again, it waits, and takes nothing back.
        # What was inside goes on to its end.
        microphone.send(b"\0" * 32_000)
        microphone.send(json.dumps({"type": "stop"}))
        while json.loads(microphone.recv(timeout=PATIENCE_SECONDS))["type"] != "done":
            pass
    assert "nothing is running" in seacod(service, "pause", "--wait")
    _refuses(service, client, sound)
    waiting = _stands_still(client, job)
    assert 0 < waiting < 40

    # Everywhere, in words.
    assert "PAUSED     for" in (status := seacod(service, "status"))
    assert REASON in status
    assert REASON in seacod(service, "check", "service", code=1)
    assert "seacod_paused 1.0" in service.metrics()

    # A restart of the service and the death of a worker change nothing of it.
    os.kill(service.worker_pid(), signal.SIGKILL)
    service.wait_for_state("serving")
    service.stop()
    service.start()
    _refuses(service, client, sound)
    assert _stands_still(client, job) == waiting

    assert "taken again" in seacod(service, "resume")
    assert client.get("/health/ready").status_code == 200
    assert client.post("/transcribe", files={"file": sound}).json()["text"]
    wait_until(lambda: client.get(f"/jobs/{job}").json()["state"] == "done", "the batch's end")
    assert "seacod_paused 0.0" in service.metrics()
    assert 'reason="paused",route="/transcribe"' in service.metrics()
    assert "was not paused" in seacod(service, "resume")


def _refuses(service: Service, client: httpx.Client, sound: bytes) -> None:
    for route, form in (
        ("/transcribe", {"file": sound}),
        ("/v1/audio/transcriptions", {"file": sound}),
        ("/batch_transcribe", {"files": sound}),
    ):
        answer = client.post(route, files=form)
        assert answer.status_code == 503, route
        assert answer.headers["retry-after"] == "77"
        error = answer.json()["error"]
        assert error["code"] == "paused"
        assert REASON in error["message"]
        assert REASON in error["message_zh"]
    for route in ("/live", "/v1/realtime"):
        with connect(f"ws{service.url.removeprefix('http')}{route}") as socket:
            told = json.loads(socket.recv(timeout=PATIENCE_SECONDS))
            assert told["error"]["code"] == "paused"
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (503, "paused")
    # Whoever watches the process leaves it alone, and the page says why.
    live = client.get("/health/live")
    assert (live.status_code, live.json()["pause"]["reason"]) == (200, REASON)


def _stands_still(client: httpx.Client, job: str) -> int:
    """Files of a batch that wait, once none is worked on."""

    def look() -> dict[str, int]:
        body = client.get(f"/jobs/{job}").json()
        states = [one["state"] for one in body["files"]]
        return {"running": states.count("running"), "waiting": states.count("waiting")}

    wait_until(lambda: look()["running"] == 0, "the end of what ran")
    return look()["waiting"]
