"""Requests, failures and seconds of audio by day and client: SQLite in the state directory.

Workers add to it every few seconds (`meter.py`), `seacod usage` reads it. Blocking: never call from
an event loop.
"""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from seacod.errors import SeacodError, StoredByNewer
from seacod.system.files.sqlite_format import bring_up
from seacod.system.net.client_names import is_named

# A new version is a new entry.
_UPGRADES = (
    (
        """
    CREATE TABLE usage (
      day TEXT NOT NULL,
      client TEXT NOT NULL,
      requests INTEGER NOT NULL,
      failures INTEGER NOT NULL,
      audio_seconds REAL NOT NULL,
      PRIMARY KEY (day, client)
    ) WITHOUT ROWID
        """,
    ),
)
_LOCK_SECONDS = 10.0
# Addresses are clients, too, and there are many of them: of what comes without a name so many a day
# are kept apart.
MOST_CLIENTS_A_DAY = 1000
OTHERS = "others"
KEPT_DAYS = 400
_SOON_DAYS = 31


@dataclass(frozen=True, slots=True)
class Use:
    """What a client did. `failures` are those of its requests that got no text, for whatever
    reason."""

    client: str
    requests: int = 0
    failures: int = 0
    audio_seconds: float = 0.0

    def __add__(self, other: Use) -> Use:
        return Use(
            self.client,
            self.requests + other.requests,
            self.failures + other.failures,
            self.audio_seconds + other.audio_seconds,
        )


def today() -> str:
    """The day by this machine's calendar, as the ledger writes it."""
    return datetime.date.today().isoformat()


class UsageLedger:
    """The file; each call is a transaction on a connection of its own.

    Args:
        path: made when it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, day: str, uses: Iterable[Use]) -> None:
        """Add to what stands there for a day.

        Raises:
            sqlite3.Error, OSError: it cannot be written now.
            StoredByNewer: a newer version has made it.
        """
        with closing(self._opened()) as database, database:
            database.execute("BEGIN IMMEDIATE")
            (count,) = database.execute(
                "SELECT count(*) FROM usage WHERE day = ?", (day,)
            ).fetchone()
            for use in uses:
                known = database.execute(
                    "SELECT 1 FROM usage WHERE day = ? AND client = ?", (day, use.client)
                ).fetchone()
                has_room = known or is_named(use.client) or count < MOST_CLIENTS_A_DAY
                count += not known
                database.execute(
                    "INSERT INTO usage VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                    "requests = requests + excluded.requests, "
                    "failures = failures + excluded.failures, "
                    "audio_seconds = audio_seconds + excluded.audio_seconds",
                    (
                        day, use.client if has_room else OTHERS,
                        use.requests, use.failures, use.audio_seconds,
                    ),
                )  # fmt: skip
            today_, days = datetime.date.fromisoformat(day), datetime.timedelta
            # A clock that is years ahead for a moment must not cost what was written before: what
            # is old goes on a day that comes soon after another one.
            database.execute(
                "DELETE FROM usage WHERE day < ? AND EXISTS "
                "(SELECT 1 FROM usage WHERE day >= ? AND day < ?)",
                (
                    (today_ - days(days=KEPT_DAYS)).isoformat(),
                    (today_ - days(days=_SOON_DAYS)).isoformat(), day,
                ),
            )  # fmt: skip

    def by_client(self, since: str, until: str = "9999-12-31") -> list[Use]:
        """Sums by client over days, both included, who used most first.

        Raises:
            sqlite3.Error: it cannot be read.
            StoredByNewer: a newer version has made it.
        """
        if not self.path.exists():
            return []
        with closing(self._opened()) as database:
            rows = database.execute(
                "SELECT client, sum(requests), sum(failures), sum(audio_seconds) FROM usage "
                "WHERE day BETWEEN ? AND ? GROUP BY client "
                "ORDER BY sum(audio_seconds) DESC, sum(requests) DESC, client",
                (since, until),
            ).fetchall()
        return [Use(*row) for row in rows]

    def _opened(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, timeout=_LOCK_SECONDS, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            self._check(bring_up(database, _UPGRADES))
        except (sqlite3.Error, SeacodError):
            database.close()
            raise
        return database

    def _check(self, version: int) -> None:
        if version > len(_UPGRADES):
            raise StoredByNewer.of(self.path, version, len(_UPGRADES))
