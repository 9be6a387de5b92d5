"""A real service whose big recordings of batches lie in a directory: the text is that of the
recording; while the directory is away or full, clients are told so and nothing is accepted."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import sounds
from postgres import PASSWORD, Postgres
from results_of_jobs import texts
from supervised import Service, wait_until

from seacod.client import Busy
from seacod.client.failures import PATIENT

pytestmark = pytest.mark.full


@pytest.fixture
def address(postgres: Postgres) -> str:
    return postgres.fresh()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    root = tmp_path / "place"
    root.mkdir()
    return root


@pytest.fixture
def service(address: str, place: Path, tmp_path: Path) -> Iterator[Service]:
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    service = Service(tmp_path / "service")
    service.configure(
        results={
            "database": address, "database_password_file": str(password),
            "recordings": str(place), "recordings_from_bytes": 1,
        }
    )  # fmt: skip
    try:
        yield service.start()
    finally:
        service.kill()


def test_the_text_is_the_same_and_what_cannot_be_kept_is_not_accepted(
    service: Service, place: Path, postgres: Postgres, address: str, tmp_path: Path
) -> None:
    sound = Path(sounds.SPEECH).read_bytes()

    def jobs() -> str:
        return postgres.rows("SELECT count(*) FROM jobs", address)[0][0]

    with service.client(PATIENT) as client:
        job = client.submit([("a.flac", sound), ("b.flac", sound)])
        wait_until(lambda: client.job(job).state == "done", "a result")
        assert texts(client.results(job)) == [sounds.SPEECH_TEXT] * 2
    assert postgres.rows("SELECT count(*) FROM recordings", address) == [["0"]]
    place.rename(tmp_path / "away")
    with service.client() as client:
        with pytest.raises(Busy, match="place") as refused:
            client.submit([("a.flac", sound)])
        assert refused.value.retry_after_seconds
        assert client.transcribe(sounds.SPEECH).text == sounds.SPEECH_TEXT
    assert service.events("recordings_place_unusable")
    (tmp_path / "away").rename(place)
    with service.client(PATIENT) as client:
        job = client.submit([("a.flac", sound)])
        wait_until(lambda: client.job(job).state == "done", "a result")
    assert jobs() == "2"


def test_a_place_that_is_away_is_an_alert_which_the_next_worker_ends(
    service: Service, place: Path, tmp_path: Path
) -> None:
    def is_told() -> bool:
        status = service.status()
        return bool(status) and "jobs_place" in [one["kind"] for one in status["alerts"]["open"]]

    with service.client(PATIENT) as client:
        job = client.submit([("a.flac", Path(sounds.SPEECH).read_bytes())])
        wait_until(lambda: client.job(job).state == "done", "a result")
    assert not is_told()
    place.rename(tmp_path / "away")
    with service.client() as client, pytest.raises(Busy) as refused:
        client.submit([("a.flac", Path(sounds.SPEECH).read_bytes())])
    # Addresses are for operators.
    assert str(place) not in str(refused.value)
    wait_until(is_told, "the alert")
    (raised,) = [one for one in service.events("alert_raised") if one["kind"] == "jobs_place"]
    assert str(place) in raised["text"]
    # The worker that told it does not live to see that it is over.
    first = service.worker_pid()
    os.kill(first, signal.SIGSTOP)
    (tmp_path / "away").rename(place)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not is_told(), "word that it is over")
    assert service.worker_pid() != first
