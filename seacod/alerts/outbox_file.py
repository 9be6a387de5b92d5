"""The file of the outbox: SQLite in the state directory, and what is done when it is damaged,
removed or cannot be written. What is in it is for `remembered.py` and `outbox.py`.

Every write is one transaction. In WAL mode with synchronous=NORMAL a commit is a write to the page
cache: quick enough for the event loop, and safe against SIGKILL at any moment; `sync` brings it to
the disk itself and runs on a thread. https://www.sqlite.org/wal.html
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from seacod.alerts import salvage
from seacod.system.files.file_identity import identity
from seacod.system.files.sqlite_format import bring_up, put_back, transaction

# In the state directory.
FILE = "alerts.sqlite3"
# What makes each version of the one before. A column has a default, so that the version before can
# go on with the file after a rollback; and what a newer one has besides is no matter here.
_UPGRADES = (
    (
        """
        CREATE TABLE IF NOT EXISTS message (
          id INTEGER PRIMARY KEY AUTOINCREMENT,
          channel TEXT NOT NULL,
          kind TEXT NOT NULL,
          key TEXT NOT NULL,
          made_at REAL NOT NULL,
          count INTEGER NOT NULL DEFAULT 1,
          body TEXT NOT NULL,
          state TEXT NOT NULL DEFAULT 'waiting',
          attempts INTEGER NOT NULL DEFAULT 0,
          due_at REAL NOT NULL,
          done_at REAL,
          answer TEXT NOT NULL DEFAULT ''
        )
        """,
        """
        CREATE INDEX IF NOT EXISTS message_due ON message (state, channel, due_at)
        """,
        """
        CREATE TABLE IF NOT EXISTS alert (
          kind TEXT NOT NULL,
          key TEXT NOT NULL,
          is_open INTEGER NOT NULL,
          opened_at REAL NOT NULL,
          told_at REAL NOT NULL,
          untold INTEGER NOT NULL DEFAULT 0,
          PRIMARY KEY (kind, key)
        )
        """,
    ),
    ("ALTER TABLE message ADD COLUMN reached TEXT NOT NULL DEFAULT ''",),
    # A table of its own: older versions write the rows of `alert` without naming columns.
    (
        """
        CREATE TABLE IF NOT EXISTS last_time (
          kind TEXT NOT NULL,
          key TEXT NOT NULL,
          body TEXT NOT NULL,
          PRIMARY KEY (kind, key)
        )
        """,
    ),
)
MESSAGE_COLUMNS = (
    "id, channel, kind, key, count, body, state, attempts, made_at, due_at, done_at, answer, "
    "reached"
)
# What is taken along from a damaged file. Numbers of messages stay: one that is being sent is known
# by its own.
_SALVAGED = {
    "message": MESSAGE_COLUMNS,
    "alert": "kind, key, is_open, opened_at, told_at, untold",
    "last_time": "kind, key, body",
}
# SQLITE_OK, SQLITE_DONE: https://www.sqlite.org/rescode.html
_WENT_WELL = (0, 101)


class OutboxFile:
    """The file. Used from one thread, save for `sync`.

    Args:
        path: made when it is missing.
        in_memory: the file cannot be used for now; what can be read of it is taken along, and
            `rescue` brings everything back when it can be.
    """

    def __init__(self, path: Path, *, in_memory: bool = False) -> None:
        self.path = path
        # Whether the file cannot be used at present.
        self.is_in_memory = in_memory
        # Whether it has refused a write: a full disk, a lock.
        self.is_refused = False
        # Whether somebody has met a damaged page of it.
        self.is_damaged = self._has_lost = False
        # Whether the damaged one is out of the way, until a new one is in use; and its new name,
        # None where somebody had removed it.
        self._is_aside = False
        self._aside: Path | None = None
        if in_memory:
            self._db = sqlite3.connect(":memory:", isolation_level=None)
            self._has_read = _copied(path, self._db)
            bring_up(self._db, _UPGRADES)
        else:
            self._open()

    def _open(self) -> None:
        self._db = sqlite3.connect(self.path, timeout=1.0, isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            # Checkpoints wait for the disk: `sync` makes them, elsewhere.
            self._db.execute("PRAGMA wal_autocheckpoint=0")
            bring_up(self._db, _UPGRADES)
        except BaseException:
            # Its lock would keep the next one out.
            self._db.close()
            raise
        self._file = identity(self.path)
        self.is_refused = False

    def rescue(self) -> bool:
        """Write everything into a new file where somebody has removed ours, or into ours which
        could not be used before; False where there is nothing to do.

        Raises:
            sqlite3.Error, OSError: it cannot be written; what we have open goes on.
        """
        if self.is_in_memory:
            self._bring_back()
            return True
        if self._file is None or identity(self.path) == self._file:
            return False
        put_back(self._db, self.path)
        self._db.close()
        self._open()
        return True

    def failed(self, error: sqlite3.Error) -> bool:
        """Whoever uses it has met this.

        Returns:
            Whether it is to be told: that the file is damaged is said once, by who replaces it.
        """
        # Its subclasses are a lock, a full disk, a mistake of ours.
        if type(error) is sqlite3.DatabaseError:
            self.is_damaged = True
        return not self.is_damaged

    def refused(self, error: sqlite3.Error) -> bool:
        """As `failed`, of what had to be written: `go_on_in_memory` is next."""
        is_told = self.failed(error)
        self.is_refused = is_told and not self.is_in_memory
        return is_told

    def go_on_in_memory(self) -> None:
        """The file takes no write: all that it has goes on in memory, where everything can be
        kept, sent and seen, until `rescue` brings it back.

        Raises:
            sqlite3.Error: the file cannot be read either; it goes on as before.
        """
        # If it does not succeed, a file that somebody has removed has its turn first.
        self.is_refused = False
        memory = sqlite3.connect(":memory:", isolation_level=None)
        try:
            # By the connection that is open: a full disk has no room for what a new one needs.
            self._db.backup(memory, progress=_at_once)
        except BaseException:
            memory.close()
            raise
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        self._db, self.is_in_memory, self._has_read = memory, True, True

    def begin_anew(self) -> tuple[Path | None, bool]:
        """Put the damaged file aside, and take along what can be read of it.

        Returns:
            Where it is now, None where somebody had removed it; and whether all of it could be
            read.

        Raises:
            OSError, sqlite3.Error: that cannot be done now; it goes on in memory until it can.
        """
        rows = salvage.read(self._db, _SALVAGED)
        self._has_lost = self._has_lost or not rows.is_all
        # Before the file has another name: closing removes the log by the name that it had.
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        try:
            if not self._is_aside:
                # What lies there at a second try is the beginning of the new one.
                self._aside, self._is_aside = salvage.put_aside(self.path), True
            self._open()
        except (OSError, sqlite3.Error):
            self.is_in_memory, self._has_read = True, False
            self._db = sqlite3.connect(":memory:", isolation_level=None)
            bring_up(self._db, _UPGRADES)
            salvage.write(self._db, _SALVAGED, rows)
            raise
        salvage.write(self._db, _SALVAGED, rows)
        self.is_in_memory = self.is_damaged = self._is_aside = False
        return self._aside, not self._has_lost

    def _bring_back(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        memory, file = self._db, OutboxFile(self.path)
        try:
            if self._has_read:
                memory.backup(file._db, progress=_at_once)
            else:
                _added(memory, file._db)
        finally:
            file.close()
        self._open()
        self.is_in_memory = False
        memory.close()

    def close(self) -> None:
        self._db.close()

    def sync(self) -> None:
        """Bring everything to the disk. Blocking; may run on any thread."""
        if self.is_in_memory:
            return
        db = sqlite3.connect(self.path, timeout=5.0)
        try:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            db.close()

    def at_once(self) -> contextlib.AbstractContextManager[None]:
        """All writes of the block, or none."""
        return transaction(self._db)


def _at_once(status: int, remaining: int, total: int) -> None:
    """A backup that is kept waiting by a lock would wait for ever."""
    if status not in _WENT_WELL:
        raise sqlite3.OperationalError(f"{remaining} of {total} pages cannot be copied")


def _copied(path: Path, memory: sqlite3.Connection) -> bool:
    """Whether everything of a file that cannot be written to is in memory now."""
    # With exclusive locking it needs no file for shared memory, which a full disk has no room for.
    for locking in ("NORMAL", "EXCLUSIVE"):
        try:
            path.stat()
            with contextlib.closing(sqlite3.connect(path, timeout=1.0)) as file:
                file.execute(f"PRAGMA locking_mode={locking}")
                file.backup(memory, progress=_at_once)
        except (sqlite3.Error, OSError):
            continue
        return True
    return False


def _added(memory: sqlite3.Connection, file: sqlite3.Connection) -> None:
    """What happened meanwhile, beside what the file has."""
    columns = MESSAGE_COLUMNS.removeprefix("id, ")
    messages = memory.execute(f"SELECT {columns} FROM message ORDER BY id").fetchall()  # noqa: S608
    with transaction(file):
        file.executemany(
            f"INSERT INTO message ({columns}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608
            messages,
        )
        for table, values in (("alert", "?,?,?,?,?,?"), ("last_time", "?,?,?")):
            rows = memory.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
            file.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({values})", rows)  # noqa: S608
