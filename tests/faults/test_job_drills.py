"""A batch of 50 recordings in the real service: workers killed, the service restarted, a recording
that kills. Every file is finished once or named."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sounds
from supervised import Faulty, wait_until

from seacod.client.answers import Job
from seacod.errors import SeacodError

pytestmark = pytest.mark.timeout(300)
FILES = 50
POISON = sounds.EXAMPLES_DIRECTORY / sounds.EXAMPLES[1]["file"]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Faulty]:
    one = Faulty(tmp_path)
    yield one
    one.kill()


def submit(service: Faulty, names: list[str]) -> str:
    speech = sounds.SPEECH.read_bytes()
    with service.client() as client:
        # By its content poison is another recording than the others.
        return client.submit(
            [(name, POISON.read_bytes() if "poison" in name else speech) for name in names]
        )


def look(service: Faulty, job: str) -> Job | None:
    """How far it is; None while nobody answers."""
    # Each time on a connection of its own: the worker behind it may change.
    with service.client() as client, contextlib.suppress(SeacodError):
        return client.job(job)
    return None


def done(service: Faulty, job: str) -> int:
    told = look(service, job)
    return told.counts.get("done", 0) if told else 0


def finished(service: Faulty, job: str) -> Job:
    def over() -> Job | None:
        told = look(service, job)
        return told if told and told.state == "done" else None

    return wait_until(over, lambda: f"the end of the batch; log:\n{service.log_text()[-3000:]}")


@pytest.mark.full
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
    assert finished(service, job).counts == {"done": FILES}
    with service.client() as client:
        packed = client.results(job)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        texts = [archive.read(n).decode() for n in archive.namelist() if n.endswith(".txt")]
    assert texts == [sounds.SPEECH_TEXT + "\n"] * FILES


def test_a_recording_that_kills_twice_is_set_aside_and_named(service: Faulty) -> None:
    service.fail_from_the_start("poison")
    service.start()
    job = submit(service, ["a.wav", "b.wav", "poison.wav", "c.wav", "d.wav"])
    told = finished(service, job)
    assert told.counts == {"done": 4, "poison": 1}
    poison = told.files[2]
    assert poison.error is not None
    assert (poison.state, poison.error["code"]) == ("poison", "poison")
    assert "set aside" in poison.error["message"]
    assert len(service.events("worker_exited")) == 2
    assert [event["name"] for event in service.events("file_is_poison")] == ["poison.wav"]


@pytest.mark.full
def test_a_recording_sent_by_itself_that_kills_twice_is_refused_by_its_content(
    service: Faulty,
) -> None:
    service.fail_from_the_start("poison")
    service.start()
    content = POISON.read_bytes()
    for crash in (1, 2):
        worker = service.worker_pid()
        with service.client() as client, pytest.raises(SeacodError):
            client.transcribe(("poison.wav", content))
        wait_until(lambda w=worker: service.status_of("serving", w), f"a worker after {crash}")
    worker = service.worker_pid()
    with service.client() as client, pytest.raises(SeacodError, match="other name.wav was with"):
        client.transcribe(("other name.wav", content))
    # Nobody else is refused, and a job is told the same.
    with service.client() as client:
        assert client.transcribe(sounds.SPEECH).text == sounds.SPEECH_TEXT
    told = finished(service, submit(service, ["a.wav", "poison.wav"]))
    assert told.counts == {"done": 1, "failed": 1}
    assert told.files[1].error is not None
    assert told.files[1].error["code"] == "poison"
    assert service.worker_pid() == worker
