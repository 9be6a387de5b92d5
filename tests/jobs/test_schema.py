"""The tables of jobs over versions: brought up by Alembic, also under a node that runs; left alone
where a newer version has made them; and what `seacod check jobs` says when they cannot be used."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from postgres import PASSWORD, Postgres
from sqlalchemy import Engine, text
from supervised import ROOT

from seacod.asr.choice import EVERYTHING
from seacod.errors import StoredByNewer
from seacod.jobs import database, schema
from seacod.jobs.model import FileState
from seacod.jobs.opening import FILE, open_store
from seacod.jobs.store import JobStore
from seacod.proving.checks.context import CheckContext
from seacod.proving.checks.item import Finding, Status, Unseen
from seacod.proving.checks.items.batches import jobs as check_jobs

# What the version after the next would add, or change so that this one could not go on.
STEP = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "{revision}", "{before}"
def upgrade():
    op.add_column("files", sa.Column("{column}", sa.Text, nullable=False, server_default="none"))
"""


@pytest.fixture
def engine(address: str, tmp_path: Path) -> Iterator[Engine]:
    """The database itself, beside the stores that have it open."""
    (tmp_path / "jobs").mkdir()
    raw = (
        database.postgresql(address, PASSWORD)
        if address
        else database.sqlite(tmp_path / "jobs" / FILE)
    )
    yield raw
    raw.dispose()


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """This program, as the one after it: it knows a step more."""
    steps = tmp_path / "migrations"
    shutil.copytree(schema._MIGRATIONS, steps)
    major, number = schema._numbers(database.HEAD)
    revision = f"{major}_{number + 1:04}"
    (steps / "versions/next.py").write_text(
        STEP.format(revision=revision, before=database.HEAD, column="mood")
    )
    with monkeypatch.context() as patched:
        patched.setattr(schema, "_MIGRATIONS", steps)
        patched.setattr(schema, "HEAD", revision)
        yield revision


def opened(tmp_path: Path, address: str) -> JobStore:
    return open_store(tmp_path / "jobs", address, PASSWORD if address else None)


def accepted(store: JobStore, job: str) -> None:
    store.blobs.incoming(job).mkdir(parents=True)
    (store.blobs.incoming(job) / "0001").write_text("sound")
    store.accept(job, "someone", "", [("1.wav", 5)])


def revision(engine: Engine) -> str:
    with engine.begin() as connection:
        return str(connection.execute(text("SELECT version_num FROM seacod_version")).scalar())


def stamp(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        connection.execute(schema._versions.update().values(version_num=revision))


def run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for one in statements:
            connection.execute(text(one))


def before_alembic(engine: Engine) -> None:
    """The tables as 0.1.0 made them."""
    run(
        engine,
        "DROP TABLE seacod_version",
        "DROP TABLE callbacks",
        "DROP TABLE submissions",
        *(
            f"ALTER TABLE jobs DROP COLUMN {one}"
            for one in ("speakers", "track", "channels", "choices", "callback_url")
        ),
        "ALTER TABLE files DROP COLUMN warnings",
    )


def test_the_last_step_is_what_this_version_says() -> None:
    config = Config()
    config.set_main_option("script_location", str(schema._MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [database.HEAD]


def test_tables_from_before_become_those_of_now_and_the_version_before_goes_on(
    tmp_path: Path, address: str, engine: Engine
) -> None:
    with contextlib.closing(opened(tmp_path, address)) as store:
        accepted(store, "before")
    before_alembic(engine)
    with contextlib.closing(opened(tmp_path, address)) as store:
        job, files = store.get("before")
        assert (job.choice, job.choices) == (EVERYTHING, "{}")
        assert [file.sentences("en") for file in files] == [[]]
        accepted(store, "after")
    assert revision(engine) == database.HEAD
    # As they are declared, so that nobody's tables depend on their past.
    with engine.connect() as connection:
        wanted = [database.metadata] + ([database.shared] if address else [])
        made = MigrationContext.configure(
            connection, opts={"compare_type": True, "version_table": schema.VERSIONS}
        )
        assert compare_metadata(made, wanted) == []
    # As 0.1.0 goes on after a rollback: it knows nothing of the columns.
    run(
        engine,
        "INSERT INTO jobs (id, client, hotwords, created) VALUES ('back', 'me', '', 0)",
        "INSERT INTO files (job, number, name, size_bytes, state) "
        "VALUES ('back', 1, 'a.wav', 5, 'waiting')",
    )
    with contextlib.closing(opened(tmp_path, address)) as store:
        assert store.get("back")[0].choice == EVERYTHING


def test_a_node_of_the_next_version_comes_and_those_of_this_one_go_on(
    tmp_path: Path, address: str, engine: Engine, request: pytest.FixtureRequest
) -> None:
    ours = opened(tmp_path, address)
    ours.own("1-ours")
    accepted(ours, "first")
    claimed = ours.claim("1-ours", 0)
    assert claimed
    revised = request.getfixturevalue("next_version")
    theirs = opened(tmp_path, address)
    assert revision(engine) == revised
    # It was opened before, and knows nothing of what was added.
    assert ours.finish("1-ours", claimed.file, FileState.DONE)
    accepted(ours, "second")
    accepted(theirs, "third")
    claimed = ours.claim("1-ours", 0)
    assert claimed
    ours.put_back("1-ours", claimed.file)
    ours.close()
    theirs.close()


def test_a_node_of_this_version_starts_beside_the_next_and_not_beside_another_format(
    tmp_path: Path, address: str, engine: Engine
) -> None:
    opened(tmp_path, address).close()
    stamp(engine, f"{database.FORMAT}_9999")
    opened(tmp_path, address).close()
    assert revision(engine) == f"{database.FORMAT}_9999"
    stamp(engine, f"{database.FORMAT + 1}_0001")
    with pytest.raises(StoredByNewer, match=f"format {database.FORMAT + 1}"):
        opened(tmp_path, address)
    assert found(tmp_path, address).status is Status.FAIL


def test_a_start_imports_nothing_of_alembic(tmp_path: Path) -> None:
    act = (
        "import sys, pathlib; from seacod.jobs.opening import open_store; "
        f"[open_store(pathlib.Path({str(tmp_path / 'jobs')!r})).close() for _ in range(2)]; "
        "sys.exit('alembic' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", act], check=False, env=environment).returncode == 0


# -- seacod check jobs ----------------------------------------------------------------------------


def found(tmp_path: Path, address: str, more: str = "") -> Finding:
    """What the checklist says of the jobs there."""
    config = tmp_path / "seacod.yaml"
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    shared = f"results: {{database: '{address}', database_password_file: {password}}}\n"
    # No service of this user's is asked.
    paths = f"paths: {{state_directory: {tmp_path}, runtime_directory: {tmp_path}}}\n"
    config.write_text(f"{paths}{shared if address else ''}{more}")
    return check_jobs(CheckContext(config, None, False))


def test_tables_as_they_should_be_are_well_and_nothing_is_left_in_them(
    tmp_path: Path, address: str, engine: Engine
) -> None:
    if address:
        # Not made yet: what a start would do is tried, and taken back.
        assert found(tmp_path, address).status is Status.OK
        with engine.begin() as connection:
            assert not connection.dialect.has_table(connection, "jobs")
    opened(tmp_path, address).close()
    assert found(tmp_path, address).status is Status.OK
    with engine.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM jobs")).scalar() == 0


def test_a_column_that_is_missing_is_named(tmp_path: Path, address: str, engine: Engine) -> None:
    opened(tmp_path, address).close()
    run(engine, "ALTER TABLE files DROP COLUMN error_zh")
    told = found(tmp_path, address)
    assert told.status is Status.FAIL
    assert "error_zh" in told.seen[0]
    assert "not as this version needs them" in told.mend[0]
    with pytest.raises(Exception, match="error_zh"):
        opened(tmp_path, address)


def test_a_file_that_the_service_may_not_write_to_is_named(tmp_path: Path) -> None:
    opened(tmp_path, "").close()
    (tmp_path / "jobs" / FILE).chmod(0o440)
    told = found(tmp_path, "")
    assert told.status is Status.FAIL
    assert "may not write" in told.seen[0]


def test_a_file_in_which_a_column_may_not_be_written_is_named(tmp_path: Path) -> None:
    opened(tmp_path, "").close()
    with contextlib.closing(sqlite3.connect(tmp_path / "jobs" / FILE)) as file, file:
        file.execute("CREATE TRIGGER no BEFORE INSERT ON jobs BEGIN SELECT RAISE(ABORT, 'no'); END")
    told = found(tmp_path, "")
    assert told.status is Status.FAIL
    assert "seacod restore" in told.mend[0]


def test_a_configuration_that_is_refused_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unseen, match="configuration is refused"):
        found(tmp_path, "", "limits: {queue_length: none}\n")


@pytest.mark.full
def test_what_a_postgresql_refuses_is_named_with_what_to_do(
    postgres: Postgres, tmp_path: Path
) -> None:
    address = postgres.fresh()

    def told() -> str:
        finding = found(tmp_path, address)
        assert finding.status is Status.FAIL
        return f"{finding.seen[0]} -> {finding.mend[0]}"

    postgres.run(
        "ALTER SCHEMA public OWNER TO postgres; REVOKE CREATE ON SCHEMA public FROM public", address
    )
    postgres.run("ALTER DATABASE {} OWNER TO postgres", address)
    assert "GRANT CREATE" in told()
    postgres.run("ALTER SCHEMA public OWNER TO seacod", address)
    opened(tmp_path, address).close()
    postgres.run("ALTER DATABASE {} SET default_transaction_read_only = on", address)
    assert "name the primary" in told()
    postgres.run("ALTER DATABASE {} RESET default_transaction_read_only", address)
    postgres.run("ALTER TABLE files OWNER TO postgres", address)
    assert "owner of the database" in told()
    postgres.run("ALTER TABLE files OWNER TO seacod", address)
    with contextlib.closing(database.postgresql(address, PASSWORD).connect()) as holding:
        holding.execute(text("LOCK TABLE jobs"))
        # 5 s, and then who holds it is ended by the server.
        assert "pg_stat_activity" in told()
    assert found(tmp_path, address).status is Status.OK
    # Tables that are all there, of a version that kept no account of them, and a role that may
    # make none.
    postgres.run(
        "DROP TABLE seacod_version; ALTER SCHEMA public OWNER TO postgres; "
        "GRANT USAGE ON SCHEMA public TO seacod",
        address,
    )
    assert found(tmp_path, address).status is Status.OK
    opened(tmp_path, address).close()
    postgres.run("ALTER TABLE files DROP COLUMN warnings", address)
    assert "GRANT CREATE" in told()
    postgres.run("ALTER SCHEMA public OWNER TO seacod", address)
    with postgres.frozen():
        assert "timeout" in told()
    assert found(tmp_path, address).status is Status.OK
