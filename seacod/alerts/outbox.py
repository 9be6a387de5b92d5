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

from seacod.system.file_identity import identity
from seacod.system.masking import masked_deep
from seacod.system.sqlite_format import bring_up, put_back, transaction

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
# Delivered and given-up messages are kept for `seacod alerts`.
_KEPT = 1000


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
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # What a channel is sending at this moment.
        self._on_their_way: set[int] = set()
        self._open()

    def _open(self) -> None:
        self._db = sqlite3.connect(self.path, timeout=1.0, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        # Checkpoints wait for the disk: `sync` makes them, elsewhere.
        self._db.execute("PRAGMA wal_autocheckpoint=0")
        bring_up(self._db, _UPGRADES)
        self._file = identity(self.path)

    def rescue(self) -> bool:
        """Write everything into a new file where somebody has removed ours; False where nobody has.

        Raises:
            sqlite3.Error, OSError: it cannot be written; what we have open goes on.
        """
        if self._file is None or identity(self.path) == self._file:
            return False
        put_back(self._db, self.path)
        self._db.close()
        self._open()
        return True

    def close(self) -> None:
        self._db.close()

    def sync(self) -> None:
        """Bring everything to the disk. Blocking; may run on any thread."""
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


def now() -> float:
    """Unix seconds: what is on disk must make sense to the next process."""
    return time.time()
