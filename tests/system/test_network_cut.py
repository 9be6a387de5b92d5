"""Two nodes that share their jobs in a real PostgreSQL, of which one is cut off from it: its
clients hear 503 within seconds, the other one does its files, each once, and it comes back by
itself."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sounds
from nodes import Node, need_namespaces
from postgres import PASSWORD, Postgres
from results_of_jobs import texts
from supervised import Faulty, wait_until

from seacod.client.answers import Job
from seacod.client.failures import PATIENT

FILES = 12
# A number that no other test's namespace has.
NUMBER = 3


class FaultyNode(Node, Faulty):
    """In a network of its own, with a worker that can be held."""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FaultyNode, Faulty]]:
    """One that can be cut off from the database, and one beside it."""
    need_namespaces("iproute2 curl", "ip", "curl")
    directory = tmp_path_factory.mktemp("cut")
    cut, other = FaultyNode(directory / "cut", NUMBER), Faulty(directory / "other")
    password = directory / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    # pytest's own directories are closed to PostgreSQL's user.
    above = Path(tempfile.mkdtemp(prefix="seacod-postgres-"))
    above.chmod(0o755)
    (above / "server").mkdir()
    cut.disconnect()
    try:
        cut.connect()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespace can be made here: {error.stderr!r}")
    try:
        with Postgres(above / "server", cut.gateway, f"{cut.address}/32") as server:
            address = server.fresh()
            for node, host in ((cut, cut.gateway), (other, "127.0.0.1")):
                node.configure(
                    server={"host": "0.0.0.0"},
                    results={
                        "database": address.replace("127.0.0.1", host),
                        "database_password_file": str(password),
                    },
                    limits={"concurrent_job_files": 2},
                )
                node.start(wait=False)
            for node in (cut, other):
                node.wait_for_state("serving")
            yield cut, other
            for node in (cut, other):
                node.kill()
    finally:
        for node in (cut, other):
            node.kill()
        cut.disconnect()
        shutil.rmtree(above, ignore_errors=True)


def state(node: Faulty, job: str) -> Job:
    with node.client(PATIENT) as client:
        return client.job(job)


def test_a_node_that_is_cut_off_from_the_database_loses_its_files_to_the_other(
    nodes: tuple[FaultyNode, Faulty],
) -> None:
    cut, other = nodes
    with cut.client(PATIENT) as client:
        # Held, so that it has files of the batch in its hands when it is cut off.
        with cut.holding():
            with other.holding():
                job = client.submit(
                    [(f"{n}.wav", sounds.SPEECH.read_bytes()) for n in range(FILES)]
                )
                running = {"running": 4, "waiting": FILES - 4}
                wait_until(lambda: state(other, job).counts == running, "two files at each")
            cut.wire("down")
        try:
            # What it has finished meanwhile it can tell nobody; who asks hears so.
            wait_until(lambda: cut.asked_inside(f"/jobs/{job}")[0] == 503, "a 503")
            assert int(cut.asked_inside(f"/jobs/{job}")[1]) > 0
            assert cut.asked_inside("/health/ready")[0] == 200
            done = wait_until(
                lambda: (b := state(other, job)).is_over and b,
                lambda: f"all results: {state(other, job)}",
            )
            assert done.counts == {"done": FILES}
            assert cut.events("jobs_database_stalled") or cut.events("jobs_database_unavailable")
        finally:
            cut.wire("up")
        wait_until(lambda: cut.asked_inside(f"/jobs/{job}")[0] == 200, "the database, back")
        assert texts(client.results(job)) == [sounds.SPEECH_TEXT] * FILES
        # It works on batches again.
        again = client.submit([("a.wav", sounds.SPEECH.read_bytes())])
        with other.holding():
            wait_until(lambda: state(cut, again).is_over, "a result")


def test_a_node_that_is_cut_off_stops_without_waiting_for_the_database(
    nodes: tuple[FaultyNode, Faulty],
) -> None:
    cut, _ = nodes
    cut.wire("down")
    try:
        wait_until(lambda: cut.asked_inside("/jobs/none")[0] == 503, "a 503")
        assert cut.stop() == 0
        assert not [one for one in cut.events("worker_exited") if "SIGKILL" in str(one)]
    finally:
        cut.wire("up")
