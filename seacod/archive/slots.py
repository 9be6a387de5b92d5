"""Slots for engines, each with one actor after the other, and the recordings on their way through
them. Used by `pool.py`, which decides; nothing here speaks to Ray.
"""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass, field
from typing import Any

import structlog

from seacod.archive.inputs import Item
from seacod.archive.sending import Sending

log = structlog.get_logger(__name__)


class ActorState(enum.Enum):
    """What one slot for an engine is doing."""

    STARTING = "starting"
    """Its actor was asked for; Ray makes it when there is a node with room."""
    READY = "ready"
    GONE = "gone"
    """The actor died; the next one is asked for after a moment."""


TRANSITIONS = {
    ActorState.STARTING: {ActorState.READY, ActorState.GONE},
    ActorState.READY: {ActorState.GONE},
    ActorState.GONE: {ActorState.STARTING},
}


@dataclass(slots=True, eq=False)
class ArchiveTask:
    """One recording on its way."""

    item: Item
    crashes: int = 0
    handed_at: float = 0.0
    sha256: str = ""
    # While it is sent: what is left of it, and what its engine calls it.
    sending: Sending | None = None
    number: int = 0


@dataclass(slots=True, eq=False)
class ActorSlot:
    """A slot for an engine: one actor after the other."""

    number: int
    state: ActorState = ActorState.GONE
    actor: Any = None
    starting: Any = None
    since: float = 0.0
    told: dict[str, Any] = field(default_factory=dict)
    running: dict[Any, ArchiveTask] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of its node, for people."""
        return f"{self.told.get('host', '?')}/{str(self.told.get('node', ''))[:8]}"

    @property
    def is_alone(self) -> bool:
        """Whether it works on a suspect recording, beside which nothing may run."""
        return any(task.crashes for task in self.running.values())

    def move(self, state: ActorState, cause: str, **facts: Any) -> None:
        """It does something else from now on; the log has why.

        Args:
            state: what.
            cause: for the log, with the facts.
        """
        if state not in TRANSITIONS[self.state]:
            raise AssertionError(f"{self.state.value} to {state.value}: {cause}")
        log.info(
            "actor_state_changed", place=self.number, old=self.state.value, new=state.value,
            cause=cause, **facts,
        )  # fmt: skip
        self.state, self.since = state, time.monotonic()
