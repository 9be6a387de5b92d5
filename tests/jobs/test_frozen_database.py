"""Who freezes closes no connection: neither a node that stands still in the middle of a change nor
a database that does stops the batches of the others for long, and clients hear 503 meanwhile."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import sounds
from postgres import PASSWORD, Postgres
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from supervised import Service, wait_until

from seacod.client import Busy
from seacod.client.failures import PATIENT
from seacod.jobs import database as tables

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def address(postgres: Postgres) -> str:
    return postgres.fresh()


@pytest.fixture(scope="module")
def service(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    directory = tmp_path_factory.mktemp("frozen")
    password = directory / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    service = Service(directory / "service")
    service.configure(results={"database": address, "database_password_file": str(password)})
    try:
        yield service.start()
    finally:
        service.kill()


@pytest.fixture(scope="module")
def done(service: Service) -> str:
    """A batch of one file."""
    with service.client(PATIENT) as client:
        job = client.submit([("a.flac", Path(sounds.SPEECH).read_bytes())])
        wait_until(lambda: client.job(job).state == "done", "a result")
    return job


@pytest.fixture
def another(address: str) -> Iterator[Engine]:
    """As another node has it open."""
    engine = tables.postgresql(address, PASSWORD)
    yield engine
    engine.dispose()


def states(database: Engine) -> dict[int, str]:
    """What each connection of the service is at."""
    with database.begin() as connection:
        rows = connection.execute(
            text(
                "SELECT pid, state FROM pg_stat_activity WHERE application_name = 'seacod' "
                "AND datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        return {row.pid: row.state for row in rows}


def test_what_the_operator_says_of_the_connection_counts(address: str) -> None:
    engine = tables.postgresql(f"{address}?options=-c%20lock_timeout%3D7s", PASSWORD)
    try:
        with engine.connect() as connection:
            assert connection.execute(text("SHOW lock_timeout")).scalar() == "7s"
            idle = connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar()
            assert idle == "10s"
    finally:
        engine.dispose()


def test_a_node_that_freezes_with_a_lock_stops_the_others_for_seconds(
    service: Service, done: str, another: Engine
) -> None:
    frozen = another.connect()
    frozen.begin()
    frozen.execute(text("SELECT * FROM jobs, files FOR UPDATE"))
    # It does nothing more. The batch can be deleted all the same.
    with service.client(PATIENT) as client:
        client.delete(done)
    with pytest.raises(DBAPIError, match="idle-in-transaction"):
        frozen.execute(text("SELECT 1"))
    frozen.invalidate()
    frozen.close()


def test_a_database_that_freezes_is_a_503_and_new_connections_are_made(
    service: Service, another: Engine
) -> None:
    with service.client(PATIENT) as client:
        job = client.submit([("a.flac", Path(sounds.SPEECH).read_bytes())])
        wait_until(lambda: client.job(job).state == "done", "a result")
    stopped: set[int] = set()

    def stop_all_idle() -> bool:
        """One that holds locks would stop new connections, too."""
        pids = states(another)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        if pids and all(state == "idle" for state in states(another).values()):
            stopped.update(pids)
            return True
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        return False

    def is_told() -> bool:
        with service.client() as client, contextlib.suppress(Busy):
            client.job(job)
            return False
        return True

    wait_until(stop_all_idle, "a moment at which nothing is being changed")
    try:
        wait_until(is_told, "a 503")
        # The old ones stand still all the time.
        with service.client(PATIENT) as client:
            assert client.job(job).state == "done"
        assert service.events("jobs_database_stalled")
        assert service.events("jobs_database_given_up")
        assert service.stop() == 0
    finally:
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
