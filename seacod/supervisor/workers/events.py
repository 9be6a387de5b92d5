"""What can happen to a worker, as the lifecycle sees it: one queue, one reader.

Produced by `process.py` (messages, exits) and by the daemon (stop, replace, apply);
consumed by `lifecycle.py` only.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

from seacod.protocol import FromWorker

if TYPE_CHECKING:
    from seacod.config.schema import Settings


@dataclass(frozen=True, slots=True)
class Forked:
    """The worker in this slot has its pid."""

    slot: str


@dataclass(frozen=True, slots=True)
class Received:
    """The worker in this slot sent a message."""

    slot: str
    message: FromWorker


@dataclass(frozen=True, slots=True)
class Garbled:
    """The worker in this slot sent something that is no message."""

    slot: str
    problem: str


@dataclass(frozen=True, slots=True)
class Exited:
    """The worker in this slot has ended and was reaped, or could not be forked.

    `status`: exit code, or the negated signal number.
    """

    slot: str
    status: int


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The service is to stop; `cause` says who wants it."""

    cause: str


@dataclass(frozen=True, slots=True)
class ReplaceRequested:
    """A worker with these settings is to take over.

    `may_overlap`: the old one may serve until then. `request` comes
    back in `ReplacementEnded`. `goes_back`: the settings in use were refused by another worker, so
    there is no way back to them.
    """

    settings: Settings
    cause: str
    may_overlap: bool = True
    request: int = 0
    goes_back: bool = False


@dataclass(frozen=True, slots=True)
class ApplyRequested:
    """These values, by dotted key, take effect at once."""

    changed: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Probed:
    """A request of ours through the listening socket was answered, or not (`problem` says how)."""

    problem: str | None


@dataclass(frozen=True, slots=True)
class Tick:
    """Nothing happened for a while: time to look at the deadlines."""


Event = Union[
    Forked, Received, Garbled, Exited, StopRequested, ReplaceRequested, ApplyRequested, Probed, Tick
]


class EventQueue:
    """Events in order of arrival; a `Tick` when none comes in time, by the event loop's clock."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event] = asyncio.Queue()

    def put(self, event: Event) -> None:
        self._queue.put_nowait(event)

    async def next(self, timeout_seconds: float) -> Event:
        try:
            return await asyncio.wait_for(self._queue.get(), timeout_seconds)
        except asyncio.TimeoutError:
            return Tick()
