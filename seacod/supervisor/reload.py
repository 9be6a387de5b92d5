"""What became of the last reload, for `seacod reload` and status: it waits for the outcome."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from seacod.config.changes import Changes


class ReloadState(enum.Enum):
    NONE = "none"
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"


@dataclass(slots=True)
class Reloads:
    """Counts reloads and keeps the last one's outcome."""

    number: int = 0
    state: ReloadState = ReloadState.NONE
    problem: str = ""
    changed: Changes = Changes((), (), ())

    def begin(self) -> None:
        self.number += 1
        self.state, self.problem, self.changed = ReloadState.RUNNING, "", Changes((), (), ())

    def found(self, changed: Changes) -> None:
        self.changed = changed

    def end(self, problem: str | None) -> None:
        """Over: in use (None), or refused because of `problem`."""
        if self.state is ReloadState.RUNNING:
            self.state = ReloadState.DONE if problem is None else ReloadState.REFUSED
            self.problem = problem or ""
