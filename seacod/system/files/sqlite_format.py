"""A SQLite file of ours: its version (PRAGMA user_version) and the way up from any before it; a
transaction in it; what is done when somebody removes it under us; a copy of it while it is used."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from seacod.system.files.file_identity import identity

_BUSY_SECONDS = 10.0
# What each such file begins with.
MAGIC = b"SQLite format 3\0"
_HEAD_BYTES = 100


@contextlib.contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All of the block or nothing of it; nobody else writes meanwhile.

    Args:
        database: with isolation_level=None.

    Raises:
        sqlite3.Error: it cannot be begun or be written down.
    """
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        # Without a disk this fails, too; what is raised is the cause.
        with contextlib.suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def bring_up(database: sqlite3.Connection, upgrades: Sequence[Sequence[str]]) -> int:
    """Make the file, or bring it to the newest version, in one transaction; several processes may
    do so at once.

    Args:
        database: with isolation_level=None.
        upgrades: for each version, the first being 1, the statements that make it of the one
            before.

    Returns:
        The file's version now: the newest, or that of a newer program, whose file is left as it is.

    Raises:
        sqlite3.Error: it cannot be written, or is none.
    """
    if _version(database) < len(upgrades):
        with transaction(database):
            # Another process may have been quicker.
            version = _version(database)
            for number, statements in enumerate(upgrades[version:], version + 1):
                for statement in statements:
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {number}")
    return _version(database)


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def version_of(path: Path) -> int:
    """The version of the file at a path, which is only read.

    Raises:
        sqlite3.Error: it is none.
        OSError: it cannot be read.
    """
    if not Path(f"{path}-wal").exists():
        # As it stands in the file (https://www.sqlite.org/fileformat.html): opening it, even to
        # read, would make files beside it.
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if head and not head.startswith(MAGIC):
            raise sqlite3.DatabaseError("file is not a database")
        return int.from_bytes(head[60:64], "big")
    with contextlib.closing(_reading(path)) as database:
        return _version(database)


def copy(path: Path, target: Path) -> None:
    """Everything that is committed, as a file of its own, while others go on writing.

    Raises:
        sqlite3.Error: it cannot be read, or the other not be written.
    """
    with contextlib.closing(_reading(path)) as database:
        database.execute("VACUUM INTO ?", (os.fspath(target),))


def put_back(database: sqlite3.Connection, path: Path) -> None:
    """Write what a connection has open, whose file was removed, to the place where that lay. What
    somebody has put there meanwhile stays.

    Raises:
        sqlite3.Error, OSError: it cannot be written, or our file cannot be read any more.
    """
    if path.exists():
        drop_logs(path)
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    database.execute("VACUUM INTO ?", (os.fspath(fresh),))
    # Of the file that was removed: they would be taken for the new one's.
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    with contextlib.suppress(FileExistsError):
        # Another process may have been quicker.
        os.link(fresh, path)
    fresh.unlink()


def drop_logs(path: Path) -> None:
    """Somebody has put another file in place of one that this process has open. What lies beside it
    belongs to the one before, and SQLite would play it into the new one: it is removed, unless it
    came with that.

    Raises:
        OSError: it cannot be removed.
    """
    ours = {identity(one) for one in Path("/proc/self/fd").iterdir()} - {None}
    for suffix in ("-wal", "-shm"):
        log = Path(f"{path}{suffix}")
        if identity(log) in ours:
            log.unlink(missing_ok=True)


def _reading(path: Path) -> sqlite3.Connection:
    path.stat()
    # Not immutable: what lies in the write-ahead log belongs to it.
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)
