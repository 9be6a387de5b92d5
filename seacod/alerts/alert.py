"""An alert, its message on the way through a channel, and what is remembered of it. Plain values:
`outbox.py` keeps them, `compose.py` writes them for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# How many messages `seacod alerts` shows.
SHOWN_MESSAGES = 50


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


def as_plain(message: Message) -> dict[str, Any]:
    """What a command shows of a message: no evidence, no receivers."""
    return {
        "id": message.id, "channel": message.channel, "kind": message.alert.kind,
        "key": message.alert.key, "text": message.alert.text, "at": message.alert.at,
        "is_recovery": message.alert.is_recovery, "count": message.count,
        "state": message.state, "attempts": message.attempts, "answer": message.answer,
    }  # fmt: skip


def of_plain(plain: dict[str, Any]) -> Message:
    """The message of which this was shown; when it is due is not known."""
    alert = Alert(
        plain["kind"], plain["key"], plain["text"], plain["at"], is_recovery=plain["is_recovery"]
    )
    return Message(
        id=plain["id"], channel=plain["channel"], alert=alert, count=plain["count"],
        state=plain["state"], attempts=plain["attempts"], made_at=alert.at, due_at=alert.at,
        done_at=None, answer=plain["answer"],
    )  # fmt: skip


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
