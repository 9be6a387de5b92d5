"""A batch of 50 files through a worker that is killed at every step of it: each file is finished
exactly once, none is lost."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest
import work_and_die
from sqlalchemy import Engine, create_engine
from supervised import PATIENCE_SECONDS

from seacod.jobs.opening import open_store

FILES = 50
# More than the points of one file from claim to removal, so that each is hit.
POINTS = 48
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["seacod.jobs.opening", "seacod.jobs.runner"])

NAMES = {
    "sqlite": "SELECT name FROM sqlite_master",
    "postgresql": "SELECT tablename FROM pg_tables",
}
# Noted by the database itself.
NOTE_ENDS = {
    "sqlite": (
        "CREATE TABLE ends (number INTEGER, state TEXT)",
        "CREATE TRIGGER note AFTER UPDATE OF state ON files WHEN NEW.state = 'done' "
        "BEGIN INSERT INTO ends VALUES (NEW.number, NEW.state); END",
    ),
    "postgresql": (
        "CREATE TABLE ends (number INTEGER, state TEXT)",
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO ends VALUES (NEW.number, NEW.state); RETURN NEW; END $$",
        "CREATE TRIGGER note AFTER UPDATE OF state ON files FOR EACH ROW "
        "WHEN (NEW.state = 'done') EXECUTE FUNCTION note()",
    ),
}


def run(directory: Path, deadly: int, what: str, address: str) -> int:
    """The exit code of a process that was forked with everything imported."""
    process = PROCESSES.Process(
        target=work_and_die.run, args=(dict(os.environ), directory, deadly, what, address)
    )
    process.start()
    process.join(PATIENCE_SECONDS)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode


def opened(directory: Path, address: str) -> Engine:
    """The database behind the store's back."""
    place = address.replace("postgresql:", "postgresql+psycopg:")
    return create_engine(place or f"sqlite:///{directory}/jobs.db")


def asked(engine: Engine, question: str) -> list[tuple[object, ...]]:
    with engine.begin() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(question).all()]


def test_killed_at_every_step_each_file_is_finished_once(tmp_path: Path, address: str) -> None:
    assert run(tmp_path, 0, "accept", address) == 0
    database = opened(tmp_path, address)
    with database.begin() as connection:
        for statement in NOTE_ENDS[database.dialect.name]:
            connection.exec_driver_sql(statement)
    kills = 0
    for deadly in range(1, POINTS + 1):
        kills += run(tmp_path, deadly, "work", address) == -signal.SIGKILL
    assert run(tmp_path, 0, "work", address) == 0
    assert kills == POINTS
    ends = asked(database, "SELECT number, count(*) FROM ends GROUP BY number ORDER BY number")
    assert ends == [(number, 1) for number in range(1, FILES + 1)]
    assert asked(database, "SELECT DISTINCT state, owner FROM files") == [("done", None)]
    ((interrupted,),) = asked(database, "SELECT sum(interruptions) FROM files")
    assert interrupted
    store = open_store(tmp_path, address)
    for file in store.get("job")[1]:
        body = store.blobs.read(file)
        assert (body["name"], body["text"]) == (f"{file.number}.wav", f"file {file.number}")
        assert not store.blobs.has(file)
    store.close()
    assert not [path for path in tmp_path.glob("job/in/*") if path.suffix != ".new"]
    assert not [path for path in tmp_path.glob("job/out/*") if path.suffix != ".json"]


@pytest.mark.parametrize("deadly", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
def test_killed_while_accepting_it_is_accepted_whole_or_not_at_all(
    tmp_path: Path, address: str, deadly: int
) -> None:
    code = run(tmp_path, deadly, "accept", address)
    engine = opened(tmp_path, address)
    tables = asked(engine, NAMES[engine.dialect.name])
    found = asked(engine, "SELECT count(*) FROM files")[0][0] if ("files",) in tables else 0
    assert found in (0, FILES)
    if code == 0:
        assert found == FILES
