"""The image of the Containerfile, built and run as docs/containers.md says: read-only, not root,
without capabilities, the supervisor as PID 1."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import sounds
from podman import Podman, obstacle
from supervised import PATIENCE_SECONDS, ROOT, fetch, free_port, wait_until

from seacod.client import NEVER, Client

pytestmark = pytest.mark.timeout(1500)
IMAGE = "seacod"


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    """One with the image."""
    why_not = obstacle()
    if why_not is not None:
        pytest.skip(why_not)
    # Not below /tmp, which may be memory.
    directory = Path(tempfile.mkdtemp(prefix="seacod-podman-", dir="/var/tmp"))
    one = Podman(directory)
    try:
        one.make_base()
        one.build(ROOT, IMAGE)
        yield one
    finally:
        one.close()
        shutil.rmtree(directory, ignore_errors=True)


@dataclass
class Container:
    """A running one."""

    podman: Podman
    name: str
    port: int
    metrics_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def inside(self, *command: str, check: bool = True) -> str:
        done = self.podman("exec", self.name, *command, check=check)
        return done.stdout + done.stderr

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.inside("seacod", "status", "--json")))

    def is_ready(self) -> bool:
        try:
            return fetch(f"{self.url}/health/ready")[0] == 200
        except OSError:
            return False

    def wait(self) -> None:
        # The first time Python compiles all that it imports.
        wait_until(self.is_ready, lambda: f"its log:\n{self.log()[-4000:]}", 3 * PATIENCE_SECONDS)

    def log(self) -> str:
        done = self.podman("logs", self.name, check=False)
        return done.stdout + done.stderr

    def client(self) -> Client:
        return Client(self.url, retry=NEVER, silence_seconds=PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def container(podman: Podman) -> Iterator[Container]:
    one = Container(podman, "seacod", free_port(), free_port())
    podman.run(
        one.name, "-v", "seacod:/var/lib/seacod",
        "-e", f"SEACOD_SERVER_PORT={one.port}", "-e", f"SEACOD_METRICS_PORT={one.metrics_port}",
        "-e", "SEACOD_SERVER_PAGE=off", "-e", "SEACOD_ASR_TUNE=off",
        "-e", "PYTHONPYCACHEPREFIX=/var/lib/seacod/.cache/python", IMAGE,
    )  # fmt: skip
    try:
        one.wait()
        yield one
    finally:
        podman("rm", "--force", "--time=0", one.name)


def test_it_serves_without_root_and_without_writing_elsewhere(container: Container) -> None:
    with container.client() as client:
        assert client.transcribe(sounds.SPEECH).text == sounds.SPEECH_TEXT
        told = json.loads(client.get("/health"))
    # Nothing of the cage of the decoders is missing for want of rights.
    assert not [one for one in told["warnings"] if "decod" in one], told["warnings"]
    assert fetch(f"http://127.0.0.1:{container.metrics_port}/metrics")[0] == 200
    assert container.inside("id", "-u").strip() == "10001"
    assert container.status()["pid"] == 1
    first = container.inside("cat", "/proc/1/status")
    for line in ("Uid:\t10001\t10001", "CapEff:\t0000000000000000", "NoNewPrivs:\t1"):
        assert line in first
    for place in ("/opt/seacod/x", "/etc/seacod/x", "/x"):
        assert "Read-only file system" in container.inside("touch", place, check=False)


def test_what_dies_in_it_is_replaced_and_reaped(container: Container) -> None:
    before = container.status()["worker"]["pid"]
    # An orphan, which only PID 1 can reap.
    container.inside("sh", "-c", "sleep 0.1 & exit 0")
    container.inside("python3", "-c", f"import os; os.kill({before}, 9)")

    def replaced() -> bool:
        status = container.status()
        return status["state"] == "serving" and status["worker"]["pid"] != before

    wait_until(replaced, "another worker")
    states = (
        "import pathlib; "
        "print(*(p.read_text().split()[2] for p in pathlib.Path('/proc').glob('[0-9]*/stat')))"
    )
    wait_until(lambda: "Z" not in container.inside("python3", "-c", states).split(), "no zombie")
    with container.client() as client:
        assert client.transcribe(sounds.SPEECH).text == sounds.SPEECH_TEXT


def test_a_batch_goes_on_after_a_kill_with_the_same_volume(container: Container) -> None:
    count = 40
    with container.client() as client:
        number = client.submit([sounds.SPEECH] * count)
        container.podman("kill", "-s", "KILL", container.name)
        container.podman("wait", container.name)
        container.podman("start", container.name)
        container.wait()
        job = client.wait_for(number, within_seconds=PATIENCE_SECONDS)
    assert job.counts["done"] == count, job


def test_a_stop_finishes_what_is_inside(container: Container) -> None:
    answers: list[int] = []
    # Some minutes of speech, so that the stop comes while it is heard.
    with tempfile.TemporaryDirectory() as directory:
        speech, rate = soundfile.read(sounds.SPEECH)
        recording = Path(directory) / "long.flac"
        soundfile.write(recording, np.tile(speech, 150), rate)

        def ask() -> None:
            with container.client() as client:
                answers.append(len(client.transcribe(recording).text))

        asking = threading.Thread(target=ask)
        asking.start()

        def is_inside() -> bool:
            # Not by a command in the container: it would be heard before that has started.
            return bool(json.loads(fetch(f"{container.url}/health")[2])["in_flight"])

        wait_until(is_inside, "a request inside")
        container.podman("stop", "--time=60", container.name)
        asking.join(PATIENCE_SECONDS)
    assert answers, "the request was lost"
    assert answers[0] > 0
    assert container.podman("wait", container.name).stdout.strip() == "0"
    assert '"supervisor_stopped"' in container.log()
