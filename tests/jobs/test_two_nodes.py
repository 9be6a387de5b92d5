"""Two real services that share their jobs in a real PostgreSQL: what one has accepted is finished
by the other when the one dies, each file once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sounds
import typed
from postgres import PASSWORD, Postgres
from results_of_jobs import texts
from supervised import Faulty, Service, wait_until

from seacod.client import Busy
from seacod.client.answers import Job
from seacod.client.failures import PATIENT

pytestmark = pytest.mark.full

FILES = 30


@pytest.fixture
def nodes(postgres: Postgres, tmp_path: Path) -> Iterator[list[Faulty]]:
    address = postgres.fresh()
    both = [Faulty(tmp_path / name) for name in ("one", "two")]
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")
    password.chmod(0o600)
    shared = {"database": address, "database_password_file": str(password)}
    try:
        for one in both:
            one.configure(results=shared, limits={"concurrent_job_files": 1})
            one.start(wait=False)
        for one in both:
            one.wait_for_state("serving")
        yield both
    finally:
        for one in both:
            one.kill()


def submitted(service: Service, recording: Path) -> str:
    with service.client() as client:
        return client.submit([(f"{n}.wav", recording.read_bytes()) for n in range(FILES)])


def state(service: Service, job: str) -> Job:
    # Told to come back, it does.
    with service.client(PATIENT) as client:
        return client.job(job)


def kill_all(service: Service) -> None:
    """As a machine that loses its power: supervisor and workers at once."""
    assert service.process is not None
    for process in [*service.descendants(), service.process]:
        os.kill(process.pid, signal.SIGKILL)
    service.process.wait()


def test_what_a_dead_node_has_accepted_the_other_finishes(nodes: list[Faulty]) -> None:
    dying, other = nodes
    checked = typed.seacod("check", "jobs", "--config", other.config)
    assert "batches are shared through 127.0.0.1" in checked.stdout, checked.stdout
    job = submitted(dying, sounds.SPEECH)
    # Both work on it; the one that accepted it dies in the middle.
    wait_until(lambda: state(other, job).counts.get("done", 0) >= 4, "some results")
    # With a file at each, which nobody finishes before it dies.
    with dying.holding(), other.holding():
        kill_all(dying)
        assert state(other, job).state == "running"
    began = time.monotonic()
    told = wait_until(lambda: (b := state(other, job)).state == "done" and b, "all results")
    print(f"all {FILES} files done {time.monotonic() - began:.1f} s after the death of a node")
    assert told.counts == {"done": FILES}
    with other.client() as client:
        assert texts(client.results(job)) == [sounds.SPEECH_TEXT] * FILES


def test_jobs_wait_while_the_database_is_away_and_requests_do_not(
    postgres: Postgres, nodes: list[Service]
) -> None:
    one, other = nodes
    job = submitted(one, sounds.SPEECH)
    postgres.stop()
    try:
        with one.client() as client:
            assert client.transcribe(sounds.SPEECH).text == sounds.SPEECH_TEXT
            with pytest.raises(Busy, match="database"):
                client.job(job)
    finally:
        postgres.start()
    wait_until(
        lambda: state(other, job).state == "done",
        lambda: f"all results: {state(other, job)}; log:\n{one.log_text()[-4000:]}",
    )
    assert state(one, job).counts == {"done": FILES}
