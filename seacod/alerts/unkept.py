"""What happened while the outbox could not be written to (a full disk, a damaged file), for the
seconds until that goes on in memory or anew: in order, each with its own time. Filled and emptied
by `deduplicator.py`; knows nothing of disks.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_MOST = 200


@dataclass(frozen=True, slots=True)
class Happening:
    """An alert that was raised, or that is over.

    Args:
        kind: a name of `kinds.KINDS`.
        key: what it is about.
        text: {"en": ..., "zh": ...}.
        at: Unix seconds.
        is_over: it has ended.
        evidence: of this alone.
        surroundings: figures and lines of that moment; None where it is the present one.
    """

    kind: str
    key: str
    text: dict[str, str]
    at: float
    is_over: bool = False
    evidence: dict[str, Any] = field(default_factory=dict)
    surroundings: dict[str, Any] | None = None


class Unkept:
    """Waits in memory, bounded; what came last of each alert always stays."""

    def __init__(self) -> None:
        self._waiting: list[Happening] = []

    def add(self, happening: Happening) -> None:
        """Behind the others. Of too many, the one that is said most often loses its oldest."""
        self._waiting.append(happening)
        if len(self._waiting) > _MOST:
            often = collections.Counter((one.kind, one.key) for one in self._waiting)
            most = often.most_common(1)[0][0]
            oldest = next(one for one in self._waiting if (one.kind, one.key) == most)
            self._waiting.remove(oldest)

    def last(self, kind: str, key: str) -> Happening | None:
        """What came last of this alert; None where nothing of it waits."""
        found = (one for one in reversed(self._waiting) if (one.kind, one.key) == (kind, key))
        return next(found, None)

    def hand_over(self, take: Callable[[Happening], None]) -> None:
        """Everything, oldest first, until `take` raises; what it has not taken goes on waiting."""
        while self._waiting:
            take(self._waiting[0])
            del self._waiting[0]
