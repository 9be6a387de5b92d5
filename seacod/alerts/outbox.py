"""What still has to be told, on disk: SQLite in the state directory. No network, no decisions.

Every write is one transaction. In WAL mode with synchronous=NORMAL a commit is a write to the page
cache: quick enough for the event loop, and safe against SIGKILL at any moment; `sync` brings it to
the disk itself and runs on a thread. https://www.sqlite.org/wal.html
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seacod.alerts import salvage
from seacod.system.files.file_identity import identity
from seacod.system.files.sqlite_format import bring_up, put_back, transaction
from seacod.system.text.masking import masked_deep

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
_COLUMNS = (
    "id, channel, kind, key, count, body, state, attempts, made_at, due_at, done_at, answer, "
    "reached"
)
# What is taken along from a damaged file. Numbers of messages stay: one that is being sent is known
# by its own.
_SALVAGED = {
    "message": _COLUMNS,
    "alert": "kind, key, is_open, opened_at, told_at, untold",
    "last_time": "kind, key, body",
}
# Delivered and given-up messages are kept for `seacod alerts`.
_KEPT = 1000
# SQLITE_OK, SQLITE_DONE: https://www.sqlite.org/rescode.html
_WENT_WELL = (0, 101)


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing to tell.

    Args:
        kind: a name of `kinds.KINDS`.
        key: what it is about, so that the same is not told twice: a GPU, a directory.
        text: {"en": ..., "zh": ...}, one or two sentences.
        is_recovery: it is over.
        at: Unix seconds.
        repeated: how often it happened since it was last told.
        evidence: lines and figures, shown below.
    """

    kind: str
    key: str
    text: dict[str, str]
    at: float
    is_recovery: bool = False
    repeated: int = 0
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """An alert on its way through one channel; `reached` are those receivers of several who have it
    already."""

    id: int
    channel: str
    alert: Alert
    count: int
    state: str
    attempts: int
    made_at: float
    due_at: float
    done_at: float | None
    answer: str
    reached: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Told:
    """What is remembered of an alert between two occurrences."""

    is_open: bool
    opened_at: float
    told_at: float
    untold: int


@dataclass(frozen=True, slots=True)
class Occurrence:
    """The last time of an alert that was only counted.

    Args:
        at: Unix seconds.
        text: as of `Alert`.
        evidence: as of `Alert`, of this time alone.
    """

    at: float
    text: dict[str, str]
    evidence: dict[str, Any]


class Outbox:
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
        # Whether somebody has met a damaged page of it.
        self.is_damaged = self._has_lost = False
        # Whether the damaged one is out of the way, until a new one is in use; and its new name,
        # None where somebody had removed it.
        self._is_aside = False
        self._aside: Path | None = None
        # What a channel is sending at this moment.
        self._on_their_way: set[int] = set()
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
        memory, file = self._db, Outbox(self.path)
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

    # -- alerts -----------------------------------------------------------------------------

    def told(self, kind: str, key: str) -> Told | None:
        """What is remembered of this alert."""
        row = self._db.execute(
            "SELECT is_open, opened_at, told_at, untold FROM alert WHERE kind=? AND key=?",
            (kind, key),
        ).fetchone()
        return None if row is None else Told(bool(row[0]), row[1], row[2], row[3])

    def open_alerts(self) -> list[tuple[str, str, float]]:
        """Kind, key and beginning of each alert that is not over."""
        return self._db.execute(
            "SELECT kind, key, opened_at FROM alert WHERE is_open ORDER BY opened_at"
        ).fetchall()

    def recent_alerts(self, limit: int) -> list[tuple[str, str, float, bool]]:
        """Kind, key, when it was last told, whether it goes on; newest first. What was told to
        nobody, because no channel is configured, has the time when it began."""
        rows = self._db.execute(
            "SELECT kind, key, CASE WHEN told_at > 0 THEN told_at ELSE opened_at END AS at, "
            "is_open FROM alert ORDER BY at DESC LIMIT ?",
            (limit,),
        )
        return [(kind, key, at, bool(is_open)) for kind, key, at, is_open in rows]

    def remember(self, kind: str, key: str, told: Told) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO alert VALUES (?, ?, ?, ?, ?, ?)",
            (kind, key, told.is_open, told.opened_at, told.told_at, told.untold),
        )

    def remember_last(self, kind: str, key: str, last: Occurrence) -> None:
        body = {"at": last.at, "text": last.text, "evidence": last.evidence}
        self._db.execute(
            "INSERT OR REPLACE INTO last_time (kind, key, body) VALUES (?, ?, ?)",
            (kind, key, json.dumps(masked_deep(body), ensure_ascii=False)),
        )

    def last(self, kind: str, key: str) -> Occurrence | None:
        """The last time that this alert was only counted."""
        row = self._db.execute(
            "SELECT body FROM last_time WHERE kind=? AND key=?", (kind, key)
        ).fetchone()
        return None if row is None else Occurrence(**json.loads(row[0]))

    def counted(self, told_before: float, now: float) -> list[tuple[str, str, Told]]:
        """Alerts that were only counted, and last told before this moment; or after `now`, by a
        clock that was set back since."""
        rows = self._db.execute(
            "SELECT kind, key, is_open, opened_at, told_at, untold FROM alert "
            "WHERE untold > 0 AND (told_at < ? OR told_at > ?)",
            (told_before, now),
        ).fetchall()
        return [(row[0], row[1], Told(bool(row[2]), row[3], row[4], row[5])) for row in rows]

    def counted_in_waiting(self, kind: str, key: str, channels: Iterable[str]) -> bool:
        """Count one more in the messages of this alert that still wait, if one does for each of
        the channels.

        Returns:
            Whether it was counted.
        """
        rows = self._db.execute(
            "SELECT max(id), channel FROM message WHERE state='waiting' AND kind=? AND key=? "
            "GROUP BY channel",
            (kind, key),
        ).fetchall()
        # What is being sent goes out with the count that it had.
        rows = [row for row in rows if row[0] not in self._on_their_way]
        wanted = set(channels)
        if not wanted or wanted - {channel for _, channel in rows}:
            return False
        self._db.executemany(
            "UPDATE message SET count=count+1 WHERE id=?", [(number,) for number, _ in rows]
        )
        return True

    # -- messages ---------------------------------------------------------------------------

    def add(self, alert: Alert, told: Told, channels: Iterable[str], due_at: float) -> None:
        """Keep an alert for each channel, and what is remembered of it, in one step."""
        facts = {"text": alert.text, "is_recovery": alert.is_recovery, "at": alert.at,
                 "repeated": alert.repeated, "evidence": alert.evidence}  # fmt: skip
        body = json.dumps(masked_deep(facts), ensure_ascii=False)
        with transaction(self._db):
            for channel in channels:
                self._db.execute(
                    "INSERT INTO message (channel, kind, key, made_at, body, due_at) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    (channel, alert.kind, alert.key, alert.at, body, due_at),
                )
            self.remember(alert.kind, alert.key, told)

    def next_due(self, channel: str) -> float | None:
        """When something is to be sent through this channel; None with nothing waiting. What was
        tried already decides: news wait with it, since they go out together."""
        row = self._db.execute(
            "SELECT coalesce(max(CASE WHEN attempts > 0 THEN due_at END), min(due_at)) "
            "FROM message WHERE state='waiting' AND channel=?",
            (channel,),
        ).fetchone()
        return None if row[0] is None else float(row[0])

    def waiting(self, channel: str) -> list[Message]:
        """Everything that waits for this channel, oldest first: it goes out together, so that
        nothing of one key overtakes another."""
        return self._select("state='waiting' AND channel=? ORDER BY id", (channel,))

    @contextlib.contextmanager
    def sending(self, ids: Iterable[int]) -> Iterator[None]:
        """These are on their way while the block runs: nothing more is counted in them."""
        ids = set(ids)
        self._on_their_way |= ids
        try:
            yield
        finally:
            self._on_their_way -= ids

    def recent(self, limit: int) -> list[Message]:
        """The newest messages of all channels, newest first."""
        return self._select("1 ORDER BY id DESC LIMIT ?", (limit,))

    def depth(self) -> int:
        """How many messages wait."""
        row = self._db.execute("SELECT count(*) FROM message WHERE state='waiting'").fetchone()
        return int(row[0])

    def delivered(self, ids: Iterable[int], now: float, answer: str) -> None:
        """The receiver has taken them."""
        self._done(ids, "delivered", now, answer)

    def given_up(self, ids: Iterable[int], now: float, answer: str) -> None:
        """They were tried for as long as configured, or the receiver will never take them."""
        self._done(ids, "given_up", now, answer)

    def reached(self, messages: Iterable[Message], receivers: Iterable[str]) -> None:
        """These of several receivers have them."""
        new = frozenset(receivers)
        self._db.executemany(
            "UPDATE message SET reached=? WHERE id=?",
            [(" ".join(sorted(message.reached | new)), message.id) for message in messages],
        )

    def put_off(self, ids: Iterable[int], due_at: float, answer: str) -> None:
        """They are tried again later."""
        self._db.executemany(
            "UPDATE message SET attempts=attempts+1, due_at=?, answer=? WHERE id=?",
            [(due_at, answer, number) for number in ids],
        )

    def _done(self, ids: Iterable[int], state: str, now: float, answer: str) -> None:
        with transaction(self._db):
            self._db.executemany(
                "UPDATE message SET state=?, attempts=attempts+1, done_at=?, answer=? WHERE id=?",
                [(state, now, answer, number) for number in ids],
            )
            self._db.execute(
                "DELETE FROM message WHERE state!='waiting' AND id <= "
                "(SELECT max(id) FROM message) - ?",
                (_KEPT,),
            )

    def _select(self, where: str, values: tuple[object, ...]) -> list[Message]:
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM message WHERE {where}",  # noqa: S608  # ours, no value
            values,
        ).fetchall()
        return [
            Message(
                id=row[0], channel=row[1],
                alert=Alert(kind=row[2], key=row[3], **json.loads(row[5])),
                count=row[4], state=row[6], attempts=row[7], made_at=row[8], due_at=row[9],
                done_at=row[10], answer=row[11], reached=frozenset(row[12].split()),
            )
            for row in rows
        ]  # fmt: skip


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
    columns = _COLUMNS.removeprefix("id, ")
    messages = memory.execute(f"SELECT {columns} FROM message ORDER BY id").fetchall()  # noqa: S608
    with transaction(file):
        file.executemany(
            f"INSERT INTO message ({columns}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608
            messages,
        )
        for table, values in (("alert", "?,?,?,?,?,?"), ("last_time", "?,?,?")):
            rows = memory.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
            file.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({values})", rows)  # noqa: S608


def now() -> float:
    """Unix seconds: what is on disk must make sense to the next process."""
    return time.time()
