"""The tables of jobs, and the two databases they can lie in.

SQLite, embedded, for one machine; PostgreSQL for several that share their jobs. Everything above
this file is the same for both, and works in transactions of the engine (`begin`). Blocking: never
call from an event loop.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.schema import CreateColumn

from seacod.errors import ConfigError, StoredByNewer
from seacod.system.masking import masked, without_credentials
from seacod.system.sqlite_format import version_of

_LOCK_SECONDS = 30.0
# A connection to PostgreSQL that does not come about within this is none.
_CONNECT_SECONDS = 10
# PostgreSQL ends what a client has begun and does not go on with, and what waits for such a one: a
# machine that freezes in the middle of a change stops the others for so long.
_LIMITS_MS = {
    "idle_in_transaction_session_timeout": 10_000, "lock_timeout": 5_000,
    "statement_timeout": 60_000,
}  # fmt: skip
# A machine that vanishes closes no connection: the kernel finds out.
_KEEP_ALIVE = {
    "tcp_user_timeout": 10_000, "keepalives_idle": 5, "keepalives_interval": 2,
    "keepalives_count": 3,
}  # fmt: skip
# PostgreSQL: one of any number that names us among its users (pg_advisory_lock(bigint)).
_SCHEMA_LOCK = 0x5EAC0D
# What the tables are like: PRAGMA user_version of SQLite, the table `format` of PostgreSQL. One
# column more, with a default, is no new version: the one before goes on with it.
FORMAT = 1

metadata = MetaData()

jobs = Table(
    "jobs", metadata,
    Column("id", Text, primary_key=True),
    Column("client", Text, nullable=False),
    Column("hotwords", Text, nullable=False),
    Column("created", Float(53), nullable=False),
    Column("finished", Float(53)),
    Column("is_canceled", Boolean, nullable=False, server_default=text("false")),
    Column("claimed", Float(53), nullable=False, server_default=text("0")),
    Column("speakers", Text, nullable=False, server_default=text("''")),
    Column("track", Text, nullable=False, server_default=text("''")),
    Column("channels", Text, nullable=False, server_default=text("''")),
    Column("choices", Text, nullable=False, server_default=text("'{}'")),
    Column("callback_url", Text, nullable=False, server_default=text("''")),
)  # fmt: skip

files = Table(
    "files", metadata,
    Column("job", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("crashes", Integer, nullable=False, server_default=text("0")),
    Column("interruptions", Integer, nullable=False, server_default=text("0")),
    Column("owner", Text),
    Column("started", Float(53)),
    Column("finished", Float(53)),
    Column("audio_seconds", Float(53)),
    Column("error_code", Text),
    Column("error", Text),
    Column("error_zh", Text),
    Column("warnings", Text, nullable=False, server_default=text("'[]'")),
    Index("files_by_state", "state"),
)  # fmt: skip

# What clients call their uploads (`Idempotency-Key`), as long as there is the job.
submissions = Table(
    "submissions", metadata,
    Column("client", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("job", Text, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("digest", Text, nullable=False),
    Index("submissions_by_job", "job"),
)  # fmt: skip

# Who is to be told that a job is over: written in the transaction that ends it.
callbacks = Table(
    "callbacks", metadata,
    Column("id", Text, primary_key=True),
    Column("job", Text, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("url", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("made", Float(53), nullable=False),
    Column("due", Float(53), nullable=False),
    Column("state", Text, nullable=False, server_default=text("'waiting'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("ended", Float(53)),
    Column("answer", Text, nullable=False, server_default=text("''")),
    Index("callbacks_by_state", "state", "due"),
    Index("callbacks_by_job", "job"),
)  # fmt: skip

shared = MetaData()

# Only where several machines share the jobs: who works, and what there is to work on.
owners = Table(
    "owners", shared,
    Column("owner", Text, primary_key=True),
    Column("seen", Float(53), nullable=False),
)  # fmt: skip

recordings = Table(
    "recordings", shared,
    Column("job", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("kept", Float(53), nullable=False),
)  # fmt: skip

formats = Table("format", shared, Column("version", Integer, nullable=False))

results = Table(
    "results", shared,
    Column("job", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("body", Text, nullable=False),
)  # fmt: skip


def said(error: Exception) -> str:
    """The error of a database in one line."""
    return masked(str(getattr(error, "orig", None) or error).strip().splitlines()[0])


def sqlite(path: Path) -> Engine:
    """Open the database in this file; it is made if it is missing.

    Raises:
        sqlalchemy.exc.OperationalError: the file cannot be written to.
        sqlalchemy.exc.DatabaseError: what is there is damaged.
        StoredByNewer: a newer version has made it.
    """
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": _LOCK_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _: Any) -> None:
        # Transactions are begun below: the driver itself would begin them too late.
        connection.isolation_level = None
        # FULL: an accepted job is on the disk when its client hears so, power cut or not.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.begin() as connection:
        found = int(connection.exec_driver_sql("PRAGMA user_version").scalar() or 0)
        _check(path.as_posix(), found)
        _make(connection, metadata)
        if found != FORMAT:
            # Each write waits for the disk, and each worker comes by here.
            connection.exec_driver_sql(f"PRAGMA user_version = {FORMAT}")
    return engine


def postgresql(address: str, password: str | None, *, is_asked_only: bool = False) -> Engine:
    """Open the database at this address, and make our tables in it.

    Args:
        address: postgresql://USER@HOST/DATABASE.
        is_asked_only: see whether it answers, and make nothing.

    Raises:
        ConfigError: the address is wrong, or the driver is not installed.
        sqlalchemy.exc.OperationalError: nothing answers there, or it refuses us.
        StoredByNewer: a newer version has made what is there.
    """
    try:
        url = make_url(address).set(drivername="postgresql+psycopg")
        options = url.query.get("options", ())
        given = (options,) if isinstance(options, str) else options
        engine = create_engine(
            url.set(password=password) if password is not None else url,
            # A connection that broke meanwhile is made anew.
            pool_pre_ping=True,
            # One thread works, a second renews leases; a third reads results for a download now and
            # then.
            pool_size=2,
            max_overflow=2,
            connect_args={
                "connect_timeout": _CONNECT_SECONDS,
                "application_name": "seacod",
                # The operator's own come last: they count.
                "options": " ".join([*(f"-c {n}={ms}" for n, ms in _LIMITS_MS.items()), *given]),
                **{name: value for name, value in _KEEP_ALIVE.items() if name not in url.query},
            },
        )
    except ArgumentError:
        raise ConfigError(
            f"results.database: {without_credentials(address)!r} is not an address; write "
            "postgresql://USER@HOST/DATABASE"
        ) from None
    except (ImportError, NoSuchModuleError):
        raise ConfigError(
            "results.database: PostgreSQL needs its driver; install seacod[postgresql]: "
            "pip install 'psycopg[binary]' in seacod's environment",
        ) from None
    with engine.begin() as connection:
        if is_asked_only:
            connection.execute(text("SELECT 1"))
            return engine
        # Two services that start at once would both make them.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_LOCK})
        _make(connection, metadata)
        _make(connection, shared)
        found = connection.execute(select(func.max(formats.c.version))).scalar()
        _check("results.database", int(found or 0))
        if found is None:
            connection.execute(formats.insert(), {"version": FORMAT})
    return engine


def file_problem(path: Path) -> StoredByNewer | None:
    """What keeps this version from the database in a file; None for nothing, or no file.

    Raises:
        sqlite3.Error: it is none, or cannot be read.
    """
    if not path.exists():
        return None
    try:
        _check(path.as_posix(), version_of(path))
    except StoredByNewer as error:
        return error
    return None


def _check(where: str, found: int) -> None:
    if found > FORMAT:
        raise StoredByNewer.of(where, found, FORMAT)


def _make(connection: Connection, wanted: MetaData) -> None:
    """Make the tables, and in those of an older version the columns that it did not have; each has
    a default, so that the older version can go on with them after a rollback."""
    wanted.create_all(connection)
    for table in wanted.sorted_tables:
        present = {column["name"] for column in inspect(connection).get_columns(table.name)}
        for column in table.columns:
            if column.name not in present:
                made = CreateColumn(column).compile(connection)
                connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {made}"))
