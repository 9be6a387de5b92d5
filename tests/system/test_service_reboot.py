"""A batch that the machine goes down under: by `systemctl reboot`, and as if somebody had pulled
the plug. What was accepted is finished after the start, each file once."""

from __future__ import annotations

import contextlib
import io
import zipfile

import pytest
import sounds
from machine import Machine
from operating import URL, is_serving
from supervised import PATIENCE_SECONDS, wait_until

from seacod.client import NEVER, Client
from seacod.client.answers import Job
from seacod.errors import SeacodError

pytestmark = pytest.mark.timeout(900)
FILES = 60
LONG = max(sounds.EXAMPLES, key=lambda one: len(one["text"]))
NAMES = [f"{number:02}.flac" for number in range(FILES)]


def look(job: str) -> Job | None:
    """How far it is; None while nobody answers."""
    with contextlib.suppress(SeacodError), Client(URL, retry=NEVER) as client:
        return client.job(job)
    return None


def counted(job: str) -> int:
    told = look(job)
    return told.counts.get("done", 0) if told else 0


@pytest.mark.parametrize("goes_down", ["in order", "at once"])
def test_a_batch_outlives_the_machine(service: Machine, goes_down: str) -> None:
    wait_until(is_serving, "the service")
    recording = (sounds.EXAMPLES_DIRECTORY / LONG["file"]).read_bytes()
    with Client(URL) as client:
        job = client.submit([(name, recording) for name in NAMES])
    wait_until(lambda: counted(job) >= 2, "some files done")

    if goes_down == "in order":
        service.reboot_from_inside()
    else:
        service.cut_power()
        service.boot()
    wait_until(is_serving, "a service after the reboot")

    assert counted(job) >= 2, "what was done before is done"
    said = service.journal("-b", "-o", "cat", "-n", "400")
    assert "files_taken_back" in said or goes_down == "in order", said[-3000:]
    with Client(URL) as client:
        over = client.wait_for(job, within_seconds=PATIENCE_SECONDS)
        packed = client.results(job)
    assert over.counts == {"done": FILES}
    assert sorted(file.name for file in over.files) == NAMES
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        names = [name for name in archive.namelist() if name.endswith(".txt")]
        texts = {name: archive.read(name).decode() for name in names}
    assert len(texts) == FILES
    assert set(texts.values()) == {LONG["text"] + "\n"}
