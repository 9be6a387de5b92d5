"""Opens the store: on this machine alone, or shared with others through PostgreSQL."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError, OperationalError

from seacod.jobs import database as tables
from seacod.jobs.blobs import DatabaseBlobs, DirectoryBlobs
from seacod.jobs.leases import FileLocks, Leases
from seacod.jobs.schema import bring_up
from seacod.jobs.stalls import Stalls
from seacod.jobs.store import JobStore

# In the directory of the jobs.
FILE = "jobs.db"

log = structlog.get_logger(__name__)


def open_store(directory: Path, address: str = "", password: str | None = None) -> JobStore:
    """The store of this machine, or with an address the one it shares with others. An embedded
    database that is damaged is set aside, and an empty one takes its place.

    Args:
        directory: on this machine; made if it is missing.
        address: postgresql://USER@HOST/DATABASE; empty for the embedded one.
        password: for that.

    Raises:
        OSError: the directory cannot be written to.
        sqlalchemy.exc.SQLAlchemyError: the database cannot be used.
        ConfigError: the address is none.
        StoredByNewer: a newer version has made the database.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o750)
    if address:
        shared = tables.postgresql(address, password)
        try:
            bring_up(shared, "results.database")
        except BaseException:
            shared.dispose()
            raise
        return JobStore(
            shared,
            DatabaseBlobs(directory, shared),
            Leases(shared),
            f"{_this_machine()}:",
            stalls=Stalls(shared),
        )
    path = directory / FILE
    # What a full disk or a broken copy has left of one: its tables are made anew.
    is_new = not path.exists() or not path.stat().st_size
    try:
        database = _embedded(path)
    except OperationalError:
        raise
    except DatabaseError as error:
        aside = f"jobs.db.damaged-{int(time.time())}"
        log.error("jobs_set_aside", error=str(error.orig), kept_as=aside)
        os.replace(path, directory / aside)
        for suffix in ("-wal", "-shm"):
            (directory / f"jobs.db{suffix}").unlink(missing_ok=True)
        database, is_new = _embedded(path), True
    blobs = DirectoryBlobs(directory)
    lost = sorted(blobs.there()) if is_new else ()
    locks = FileLocks(directory / ".owners")
    stalls = Stalls(database, is_embedded=True)
    return JobStore(database, blobs, locks, file=path, lost=lost, stalls=stalls)


def _embedded(path: Path) -> Engine:
    database = tables.sqlite(path)
    try:
        bring_up(database, path.as_posix())
    except BaseException:
        database.dispose()
        raise
    return database


def _this_machine() -> str:
    """A name that no other one has: that of the host, and what tells clones of it apart."""
    try:
        unique = Path("/etc/machine-id").read_text("ascii").strip()[:8]
    except OSError:
        unique = ""
    return f"{socket.gethostname()}{'/' if unique else ''}{unique}"
