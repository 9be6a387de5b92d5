"""The clock of PostgreSQL's machine is set while nodes elsewhere work: nothing is deleted by it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from in_use import in_use
from postgres import PASSWORD, Postgres
from sqlalchemy import text

from seacod.jobs import database as tables
from seacod.jobs.model import FileState
from seacod.jobs.opening import open_store
from seacod.jobs.runner import Jobs
from seacod.jobs.store import JobStore

DAY = 86_400.0


def set_clock(store: JobStore, days: float) -> None:
    """As it looks to whoever asks the database: its own function is found before PostgreSQL's."""
    with store._database.begin() as connection:
        connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION clock_timestamp() RETURNS timestamptz AS "
                f"$$ SELECT pg_catalog.clock_timestamp() + interval '{days} days' $$ LANGUAGE sql"
            )
        )


def finished(store: JobStore, job: str) -> None:
    store.blobs.incoming(job).mkdir(parents=True)
    (store.blobs.incoming(job) / "0001").write_text("sound")
    store.accept(job, "someone", "", [("1.wav", 5)])
    claimed = store.claim("1-a", 0)
    assert claimed is not None
    store.blobs.keep(claimed.file, {"text": "hello"})
    assert store.finish("1-a", claimed.file, FileState.DONE)


@pytest.mark.parametrize("is_restarted", [False, True])
def test_what_a_jump_of_the_databases_clock_makes_old_is_kept(
    postgres: Postgres, tmp_path: Path, *, is_restarted: bool
) -> None:
    address = postgres.fresh()

    def opened() -> JobStore:
        return open_store(tmp_path / "jobs", address, PASSWORD)

    def node() -> Jobs:
        nobody: Any = None
        return Jobs(opened, nobody, in_use(), database_clock_file=tmp_path / "clock.json")

    first = opened()
    role = "SET search_path"
    with first._database.begin() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(
            text(f'ALTER ROLE seacod IN DATABASE "{name}" {role} = public, pg_catalog')
        )
    first.close()
    store = opened()
    store.own("1-a")
    set_clock(store, 0)
    finished(store, "job")
    jobs = node()
    jobs._delete_expired(store)
    for days in (30, 60, 30, -30, 0, 30):
        set_clock(store, days)
        with store._database.begin() as connection:
            there = tables.now(connection)
        assert there > 0
        if is_restarted:
            jobs = node()
        jobs._delete_expired(store)
        assert store.get("job")[0].id == "job", days
        assert store.blobs.read(store.get("job")[1][0]) == {"text": "hello"}
    # By its own time it is still deleted.
    assert store.delete_expired(0.0) == 1
    store.close()
    asyncio.run(jobs.close())
