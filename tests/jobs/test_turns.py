"""Whose file is next, when there are more than can be heard: nobody is passed for ever."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from seacod.jobs import database
from seacod.jobs.model import FileState
from seacod.jobs.opening import open_store
from seacod.jobs.store import JobStore

_NUMBER = itertools.count(1)


@pytest.fixture
def store(tmp_path: Path, address: str) -> Iterator[JobStore]:
    one = open_store(tmp_path / "jobs", address)
    one.own("1-a")
    yield one
    one.close()


def sent(store: JobStore, client: str, files: int = 1) -> str:
    job = f"job{next(_NUMBER)}"
    store.blobs.incoming(job).mkdir(parents=True)
    for number in range(1, files + 1):
        (store.blobs.incoming(job) / f"{number:04}").write_text("sound")
    store.accept(job, client, "", [(f"{n}.wav", 5) for n in range(1, files + 1)])
    return job


def heard(store: JobStore) -> tuple[str, str]:
    """The client and the job of the file whose turn it was."""
    claimed = store.claim("1-a", 0)
    assert claimed is not None
    assert store.finish("1-a", claimed.file, FileState.DONE)
    return claimed.job.client, claimed.job.id


def test_an_old_batch_is_not_starved_by_new_ones_of_its_client(store: JobStore) -> None:
    old = sent(store, "a", files=20)
    turns = []
    for _ in range(12):
        turns.append(heard(store)[1])
        sent(store, "a")
    assert turns.count(old) >= 6


def test_an_old_batch_is_not_starved_by_new_ones_of_others(store: JobStore) -> None:
    """A client that comes back again and again is no better off for it, nor one that is new."""
    sent(store, "old", files=20)
    sent(store, "back")
    turns = []
    for number in range(12):
        client, job = heard(store)
        turns.append(client)
        if client != "old":
            # With no trace of itself, which a client may see to.
            store.delete(job)
            sent(store, client)
        if number == 6:
            sent(store, "new")
    assert turns.count("old") >= 4


def test_many_batches_get_no_more_turns_than_one(store: JobStore) -> None:
    for _ in range(30):
        sent(store, "many")
    sent(store, "one", files=10)
    turns = [heard(store)[0] for _ in range(12)]
    assert turns.count("one") == 6


def test_canceling_and_deleting_gain_no_turn(store: JobStore) -> None:
    for _ in range(30):
        sent(store, "many")
    sent(store, "one", files=20)
    turns = []
    for _ in range(12):
        client, job = heard(store)
        turns.append(client)
        if client == "many":
            store.delete(job)
            # The last of its own says when it was served.
            newest = store.of_client("many", "", 1)[0].job.id
            store.cancel(newest)
            store.delete(newest)
    assert turns.count("one") == 6


def test_who_sends_a_lot_meanwhile_gets_its_turns_all_the_same(store: JobStore) -> None:
    sent(store, "quiet", files=20)
    sent(store, "busy")
    turns = []
    for _ in range(12):
        turns.append(heard(store)[0])
        for _ in range(3):
            sent(store, "busy")
    assert turns.count("busy") == 6


def test_what_an_older_node_has_accepted_waits_its_turn(store: JobStore) -> None:
    """It writes nothing about turns, which stands for the time before all others."""
    sent(store, "a", files=20)
    older = sent(store, "b", files=20)
    with store._database.begin() as connection:
        connection.execute(
            update(database.jobs).where(database.jobs.c.id == older).values(claimed=0)
        )
    turns = [heard(store)[0] for _ in range(8)]
    assert turns.count("a") == turns.count("b") == 4


def test_a_time_ahead_of_the_clock_keeps_nobody_waiting(store: JobStore) -> None:
    job = sent(store, "a", files=2)
    sent(store, "b", files=20)
    with store._database.begin() as connection:
        ahead = {"claimed": 9e9}
        connection.execute(update(database.jobs).where(database.jobs.c.id == job).values(ahead))
    assert "a" in [heard(store)[0] for _ in range(2)]


def test_finding_the_next_file_among_many_jobs_takes_no_square_of_them(store: JobStore) -> None:
    """Thousands of batches in the queue: a claim looks at each of them a few times only."""
    rows = [(f"many{n}", f"client{n % 50}") for n in range(20_000)]
    with store._database.begin() as connection:
        connection.execute(
            insert(database.jobs),
            [{"id": job, "client": client, "hotwords": "", "created": 1.0} for job, client in rows],
        )
        connection.execute(
            insert(database.files),
            [{"job": job, "number": 1, "name": "", "size_bytes": 1, "state": "waiting"}
             for job, _ in rows],
        )  # fmt: skip
    claimed = store.claim("1-a", 0)
    assert claimed is not None
