"""A batch of 50 recordings in the real service: workers killed, the service restarted, a recording
that kills. Every file is finished once or named."""

from __future__ import annotations

import io
import os
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sounds
from supervised import PATIENCE_SECONDS, Faulty, wait_until

pytestmark = pytest.mark.timeout(300)
FILES = 50


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Faulty]:
    one = Faulty(tmp_path)
    yield one
    one.kill()


def client(service: Faulty) -> httpx.Client:
    # Each request on a connection of its own: the worker behind it may change.
    return httpx.Client(
        base_url=service.url,
        timeout=PATIENCE_SECONDS,
        trust_env=False,
        headers={"Connection": "close"},
    )


def submit(service: Faulty, names: list[str]) -> str:
    speech = sounds.SPEECH.read_bytes()
    answer = client(service).post(
        "/batch_transcribe", files=[("files", (name, speech)) for name in names]
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job"])


def look(service: Faulty, job: str) -> dict[str, Any] | None:
    """How far it is; None while nobody answers."""
    try:
        answer = client(service).get(f"/jobs/{job}")
    except httpx.HTTPError:
        return None
    body: dict[str, Any] = answer.json()
    return body if answer.status_code == 200 else None


def done(service: Faulty, job: str) -> int:
    body = look(service, job)
    return int(body["counts"].get("done", 0)) if body else 0


def finished(service: Faulty, job: str) -> dict[str, Any]:
    def over() -> dict[str, Any] | None:
        body = look(service, job)
        return body if body and body["state"] == "done" else None

    return wait_until(over, f"the end of the batch; log:\n{service.log_text()[-3000:]}")


def test_a_batch_outlives_its_workers_and_a_restart_of_the_service(service: Faulty) -> None:
    service.start()
    job = submit(service, [f"{n}.wav" for n in range(FILES)])
    for least in (1, 10):
        wait_until(lambda least=least: done(service, job) >= least, f"{least} files done")
        worker = service.worker_pid()
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda w=worker: service.status_of("serving", w), "another worker")
    wait_until(lambda: done(service, job) >= 20, "20 files done")
    assert service.stop() == 0
    service.start()
    body = finished(service, job)
    assert body["counts"] == {"done": FILES}
    answer = client(service).get(f"/jobs/{job}/results")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        texts = [archive.read(n).decode() for n in archive.namelist() if n.endswith(".txt")]
    assert texts == [sounds.SPEECH_TEXT + "\n"] * FILES


def test_a_recording_that_kills_twice_is_set_aside_and_named(service: Faulty) -> None:
    service.fail_from_the_start("poison")
    service.start()
    job = submit(service, ["a.wav", "b.wav", "poison.wav", "c.wav", "d.wav"])
    body = finished(service, job)
    assert body["counts"] == {"done": 4, "poison": 1}
    assert body["files"][2]["state"] == "poison"
    assert body["files"][2]["error"]["code"] == "poison"
    assert "set aside" in body["files"][2]["error"]["message"]
    assert len(service.events("worker_exited")) == 2
    assert [event["name"] for event in service.events("file_is_poison")] == ["poison.wav"]
