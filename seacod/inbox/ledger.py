"""What of a watched folder was heard, on disk: SQLite in a hidden file beside the texts, so that a
restart hears nothing twice. Each call is a transaction on a connection of its own. Blocking.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from seacod.errors import CannotWrite, Conflict, StoredByNewer
from seacod.inbox.folder import Version
from seacod.system.files.sqlite_format import bring_up, transaction
from seacod.system.text.words import reason

_FILE, _LOCK = ".seacod-watch.sqlite3", ".seacod-watch.lock"
# A new version is a new entry.
_UPGRADES = (
    (
        """
        CREATE TABLE heard (
          path TEXT PRIMARY KEY,
          size_bytes INTEGER NOT NULL,
          mtime_ns INTEGER NOT NULL,
          base TEXT UNIQUE,
          state TEXT NOT NULL,
          at REAL NOT NULL
        ) WITHOUT ROWID
        """,
    ),
)
_LOCK_SECONDS = 10.0
# Of files that are not there any more.
_KEPT_SECONDS = 30 * 86_400.0


class Ledger:
    """
    Args:
        directory: where it lies.

    Raises:
        Conflict: another `seacod watch` is at this folder.
        CannotWrite: it cannot be made there.
        StoredByNewer: a newer version made it.
    """

    def __init__(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            # Held as long as the file is open, however this process ends.
            self._lock = (directory / _LOCK).open("ab")
            self._path = directory / _FILE
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with closing(self._connect()) as database:
                found = bring_up(database, _UPGRADES)
            if found > len(_UPGRADES):
                raise StoredByNewer.of(self._path, found, len(_UPGRADES))
        except BlockingIOError:
            raise Conflict(
                f"{directory}: another seacod watch is at this folder",
                f"{directory}：已有另一个 seacod watch 正在监视此目录",
            ) from None
        except (OSError, sqlite3.Error) as error:
            why, chinese = reason(error)
            raise CannotWrite(
                f"{directory}: what was heard cannot be written down there ({why})",
                f"{directory}：无法在此写入处理记录（{chinese}）",
            ) from None

    def close(self) -> None:
        self._lock.close()

    def over(self) -> dict[str, tuple[int, int]]:
        """Size and time of change of each file that is dealt with, by its path."""
        with self._begun() as database:
            rows = database.execute(
                "SELECT path, size_bytes, mtime_ns FROM heard WHERE state != 'writing'"
            ).fetchall()
        return {os.fsdecode(path): (size, mtime) for path, size, mtime in rows}

    def begin(
        self,
        path: Path,
        version: Version,
        bases: Iterable[str],
        is_free: Callable[[str], bool],
    ) -> str:
        """Texts of this file are about to be written.

        Args:
            path: of the recording, from the folder.
            version: of it.
            bases: names for its texts without their endings, the best first.
            is_free: whether there is nothing by such a name that is not ours.

        Returns:
            The name that is this file's from now on: the one it had before, if it had any.
        """
        with self._begun() as database:
            row = database.execute(
                "SELECT base FROM heard WHERE path=?", (_stored(str(path)),)
            ).fetchone()
            base = os.fsdecode(row[0]) if row is not None and row[0] is not None else None
            if base is None:
                taken = "SELECT 1 FROM heard WHERE base=?"
                base = next(
                    one
                    for one in bases
                    if database.execute(taken, (_stored(one),)).fetchone() is None and is_free(one)
                )
            self._put(database, path, version, base, "writing")
        return base

    def end(self, path: Path, version: Version, base: str) -> None:
        """They are written."""
        with self._begun() as database:
            self._put(database, path, version, base, "heard")

    def give_up(self, path: Path, version: Version) -> None:
        """It cannot be heard, and lies where it is all the same."""
        with self._begun() as database:
            self._put(database, path, version, None, "failed")

    def forget(self, is_there: Callable[[str], bool]) -> None:
        """Forget files that have been gone for long."""
        before = time.time() - _KEPT_SECONDS
        with self._begun() as database:
            rows = database.execute("SELECT path FROM heard WHERE at < ?", (before,)).fetchall()
            gone = [(path,) for (path,) in rows if not is_there(os.fsdecode(path))]
            database.executemany("DELETE FROM heard WHERE path=?", gone)

    @staticmethod
    def _put(
        database: sqlite3.Connection, path: Path, version: Version, base: str | None, state: str
    ) -> None:
        database.execute(
            "INSERT OR REPLACE INTO heard VALUES (?, ?, ?, ?, ?, ?)",
            (
                _stored(str(path)), version.size_bytes, version.mtime_ns,
                None if base is None else _stored(base), state, time.time(),
            ),
        )  # fmt: skip

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=_LOCK_SECONDS, isolation_level=None)

    @contextmanager
    def _begun(self) -> Iterator[sqlite3.Connection]:
        with closing(self._connect()) as database, transaction(database):
            yield database


def _stored(name: str) -> str | bytes:
    """A name as SQLite takes it: one that is not UTF-8 (of an archive from Windows) as its bytes.
    os.fsdecode reads both."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name)
    return name
