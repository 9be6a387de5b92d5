"""The tables of jobs, and the two databases they can lie in.

SQLite, embedded, for one machine; PostgreSQL for several that share their jobs. Everything above
this file is the same for both, and works in transactions of the engine (`begin`). Blocking: never
call from an event loop. `schema.py` makes the tables and brings older ones up.
"""

from __future__ import annotations

import sqlite3
import time
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
    select,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from seacod.errors import ConfigError
from seacod.system.text.masking import masked, without_credentials

# Somebody else writes to the embedded one, or holds it: so long that is waited for.
_LOCK_SECONDS = 10.0
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
# What the tables are like: the newest revision (`migrations/`), FORMAT_NUMBER. What only adds is a
# new number, and the version before goes on with it; what that could not use is a new format.
HEAD = "1_0002"
FORMAT = int(HEAD.partition("_")[0])

metadata = MetaData()


def now(connection: Connection) -> float:
    """Unix seconds by the clock of all who share the database: PostgreSQL's own, since the nodes'
    clocks may differ by days; or this machine's."""
    if connection.dialect.name == "sqlite":
        return time.time()
    shared = func.extract("epoch", func.clock_timestamp())
    return float(connection.execute(select(shared)).scalar_one())


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
    # Of a recording that lies outside (`address_book.py`, also for what `crashes` is then).
    Column("place", Text, nullable=False, server_default=text("''")),
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

# Where recordings lie outside the database, and how such a place is told from another of its name.
places = Table(
    "recording_places", shared,
    Column("root", Text, primary_key=True),
    Column("identity", Text, nullable=False),
    Column("is_marked", Boolean, nullable=False, server_default=text("false")),
)  # fmt: skip

# What was put there, written down before: nothing is forgotten there by who dies in between.
outside = Table(
    "outside_recordings", shared,
    Column("address", Text, primary_key=True),
    Column("job", Text, nullable=False),
    Column("kept", Float(53), nullable=False),
    Column("is_doomed", Boolean, nullable=False, server_default=text("false")),
    Index("outside_by_job", "job"),
    Index("outside_doomed", "address", postgresql_where=text("is_doomed")),
)  # fmt: skip

results = Table(
    "results", shared,
    Column("job", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("body", Text, nullable=False),
)  # fmt: skip


def said(error: Exception) -> str:
    """The error of a database in one line."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    # A TimeoutError says nothing but its name.
    return masked(lines[0] if lines else type(error).__name__)


def sqlite(path: Path) -> Engine:
    """The database in this file, which is made when it is first connected to."""
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

    return engine


def postgresql(address: str, password: str | None) -> Engine:
    """The database at this address.

    Args:
        address: postgresql://USER@HOST/DATABASE.

    Raises:
        ConfigError: the address is wrong, or the driver is not installed.
    """
    try:
        url = make_url(address).set(drivername="postgresql+psycopg")
        options = url.query.get("options", ())
        given = (options,) if isinstance(options, str) else options
        return create_engine(
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
            "postgresql://USER@HOST/DATABASE",
            f"results.database：{without_credentials(address)!r} 不是地址；请写 "
            "postgresql://USER@HOST/DATABASE",
        ) from None
    except (ImportError, NoSuchModuleError):
        raise ConfigError(
            "results.database: PostgreSQL needs its driver; install seacod[postgresql]: "
            "pip install 'psycopg[binary]' in seacod's environment",
            "results.database：缺少 PostgreSQL 驱动；请安装 seacod[postgresql]："
            "在 seacod 的环境中 pip install 'psycopg[binary]'",
        ) from None
