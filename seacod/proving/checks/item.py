"""What one item of the checklist says."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from seacod.system.text.words import Words, joined

NOTHING: Words = ("", "")


class Status(enum.Enum):
    """How an item stands; in order of weight."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"

    @property
    def exit_code(self) -> int:
        """What a check returns whose worst item this is, as monitoring plugins have it."""
        return list(Status).index(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one item.

    Args:
        status: ok; warn (it works, but look at it); fail (not fit to go live).
        seen: what was seen, with figures.
        mend: what to do; nothing where all is well.
    """

    status: Status
    seen: Words
    mend: Words = NOTHING


class Unseen(Exception):
    """An item could not be looked at; the words say why and what would help."""

    def __init__(self, seen: Words, mend: Words = NOTHING) -> None:
        super().__init__(seen[0])
        self.finding = Finding(Status.WARN, seen, mend)


def ok(english: str, chinese: str) -> Finding:
    """All is well."""
    return Finding(Status.OK, (english, chinese))


def warn(seen: Words, mend: Words) -> Finding:
    """It works, but somebody should look at it."""
    return Finding(Status.WARN, seen, mend)


def fail(seen: Words, mend: Words) -> Finding:
    """Not fit to go live."""
    return Finding(Status.FAIL, seen, mend)


def worst(findings: Iterable[Finding], well: Words) -> Finding:
    """The worst of several; `well` when there is none. What several say is joined."""
    bad = [one for one in findings if one.status is not Status.OK]
    if not bad:
        return Finding(Status.OK, well)
    status = max((one.status for one in bad), key=lambda one: one.exit_code)
    return Finding(status, joined(one.seen for one in bad), joined(one.mend for one in bad))
