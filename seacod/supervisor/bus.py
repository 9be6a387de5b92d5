"""What happened in the service, told to whoever wants to hear of it.

The lives of the workers and the watches publish; metrics, alerts, systemd and the other lives
subscribe. Everything runs at once on the event loop, in the order of subscription; nothing is
queued and nothing is asked (who needs an answer calls a method).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from seacod import protocol
from seacod.pause import Pause
from seacod.supervisor.crash import Crash
from seacod.supervisor.replica import Replica
from seacod.system.text.words import Words

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A worker of this replica has another state or start-up stage."""

    replica: Replica


@dataclass(frozen=True, slots=True)
class WorkerBeat:
    """The worker that serves for this replica gave a sign of life."""

    replica: Replica
    pid: int
    beat: protocol.Beat


@dataclass(frozen=True, slots=True)
class WorkerCrashed:
    """A worker ended that was not asked to."""

    replica: Replica
    crash: Crash


@dataclass(frozen=True, slots=True)
class WorkerGone:
    """A worker was reaped; its slot is free again."""

    slot: str


@dataclass(frozen=True, slots=True)
class WorkerBlamed:
    """A worker ended by its own fault: what it was working on may be why."""

    pid: int
    slot: str


@dataclass(frozen=True, slots=True)
class RecordingAcquitted:
    """A suspect recording, by its content's digest, was heard to its end."""

    digest: str


@dataclass(frozen=True, slots=True)
class RecordingsSuspected:
    """At how many such ends each recording was with the model, by its content's digest."""

    ends: dict[str, int]


@dataclass(frozen=True, slots=True)
class ReplacementEnded:
    """The replacement of one replica's worker is over; `problem` says why it was given up."""

    replica: Replica
    request: int
    problem: Words | None


@dataclass(frozen=True, slots=True)
class RolloverEnded:
    """A reload has reached every replica, or was taken back because of `problem`."""

    problem: Words | None


@dataclass(frozen=True, slots=True)
class PauseChanged:
    """An operator has paused the service, changed the reason, or resumed it (None)."""

    pause: Pause | None


@dataclass(frozen=True, slots=True)
class AlertRaised:
    """Something an operator should hear.

    Args:
        kind: a name of `KINDS`.
        english: what, in a sentence or two, with figures.
        chinese: the same.
        key: what it is about, where there may be several.
        evidence: figures and lines for this alert alone.
        is_once: while it is open, it is not even counted again.
    """

    kind: str
    english: str
    chinese: str
    key: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    is_once: bool = False


@dataclass(frozen=True, slots=True)
class AlertCleared:
    """What an alert told of is over."""

    kind: str
    english: str
    chinese: str
    key: str = ""


E = TypeVar("E")


class Bus:
    """Hands each event to those who subscribed to its type.

    Args:
        on_failure: called when a handler has raised.
    """

    def __init__(self, on_failure: Callable[[], None] = lambda: None) -> None:
        self._handlers: dict[type, list[Callable[[Any], None]]] = {}
        self._on_failure = on_failure

    def subscribe(self, kind: type[E], handler: Callable[[E], None]) -> None:
        """Have this handler called with every event of this type."""
        self._handlers.setdefault(kind, []).append(handler)

    def publish(self, event: object) -> None:
        """Call everybody who subscribed. A handler that raises harms neither the others nor the
        publisher: it is logged and counted."""
        for handler in self._handlers.get(type(event), ()):
            try:
                handler(event)
            except Exception:
                log.exception("event_handler_failed", event_type=type(event).__name__)
                self._on_failure()
