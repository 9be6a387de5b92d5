"""What the outbox remembers of alerts between two occurrences: which are open, when they were told,
how often they came since, and their last time. The deduplicator decides by it."""

from __future__ import annotations

import json

from seacod.alerts.alert import Occurrence, Told
from seacod.alerts.kinds import KINDS
from seacod.alerts.outbox_file import OutboxFile
from seacod.system.text.masking import masked_deep


class RememberedAlerts(OutboxFile):
    """The tables of alerts; arguments as of `OutboxFile`."""

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

    def open_until_over(self) -> list[tuple[str, str, float]]:
        """Those of `open_alerts` whose end is told, too."""
        return [one for one in self.open_alerts() if one[0] in KINDS and KINDS[one[0]].has_recovery]

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
