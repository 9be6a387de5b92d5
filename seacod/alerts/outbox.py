"""What still has to be told, on disk: the messages of each channel, beside what is remembered of
alerts (`remembered.py`), in one file (`outbox_file.py`). No network, no decisions."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from seacod.alerts.alert import Alert, Message, Told
from seacod.alerts.outbox_file import MESSAGE_COLUMNS
from seacod.alerts.remembered import RememberedAlerts
from seacod.system.files.sqlite_format import transaction
from seacod.system.text.masking import masked_deep

# Delivered and given-up messages are kept for `seacod alerts`.
_KEPT = 1000


class Outbox(RememberedAlerts):
    """Messages, and what is remembered of alerts; arguments as of `OutboxFile`."""

    def __init__(self, path: Path, *, in_memory: bool = False) -> None:
        super().__init__(path, in_memory=in_memory)
        # What a channel is sending at this moment.
        self._on_their_way: set[int] = set()

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
            f"SELECT {MESSAGE_COLUMNS} FROM message WHERE {where}",  # noqa: S608  # ours, no value
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
