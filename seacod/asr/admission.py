"""The queue in front of the model: who may wait, how long, and who is turned away at once.

Lives on the event loop; no locks. `service.py` admits each request before anything costly.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from seacod.errors import QueueFull

# Before anything was measured: a CPU with the built-in model is faster, a big model slower.
_FIRST_GUESS_SECONDS = 5.0
# Weight of the newest request in the measured time.
_SMOOTHING = 0.2


@dataclass(slots=True, eq=False)
class Ticket:
    """One request's place."""

    number: int
    admitted_at: float
    started_at: float | None = None
    # The recording, for the log of a crash: its name and length.
    label: str = ""


@dataclass(slots=True)
class Admission:
    """At most `queue_length` requests wait while one is being worked on.

    Args:
        queue_length: how many may wait.
        clock: seconds, monotonic.
    """

    queue_length: int
    clock: Callable[[], float] = time.monotonic
    _tickets: dict[int, Ticket] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _seconds_each: float = _FIRST_GUESS_SECONDS

    def admit(self) -> Ticket:
        """A place in the queue.

        Raises:
            QueueFull: with the time after which a place should be free.
        """
        if self.waiting >= self.queue_length:
            retry = self.retry_after_seconds()
            raise QueueFull(
                f"{self.waiting} requests are waiting already, which is the limit; try again in "
                f"{retry} s",
                f"已有 {self.waiting} 个请求在排队，达到上限；请在 {retry} 秒后重试",
                retry_after_seconds=retry,
            )
        ticket = Ticket(next(self._numbers), self.clock())
        self._tickets[ticket.number] = ticket
        return ticket

    def start(self, ticket: Ticket) -> None:
        """The model has begun with this request."""
        ticket.started_at = self.clock()

    def leave(self, ticket: Ticket) -> None:
        """The request is over, whatever its end."""
        self._tickets.pop(ticket.number, None)
        if ticket.started_at is not None:
            took = self.clock() - ticket.started_at
            self._seconds_each += _SMOOTHING * (took - self._seconds_each)

    def position(self, ticket: Ticket) -> int:
        """How many are before this one; 0 when it is being worked on."""
        if ticket.started_at is not None:
            return 0
        return 1 + sum(
            other.started_at is None and other.number < ticket.number
            for other in self._tickets.values()
        )

    @property
    def waiting(self) -> int:
        return sum(ticket.started_at is None for ticket in self._tickets.values())

    @property
    def in_flight(self) -> int:
        """Admitted and not over: waiting ones and running ones."""
        return len(self._tickets)

    @property
    def oldest_seconds(self) -> float:
        """How long the longest-running request has been with the model; 0 when idle."""
        started = [t.started_at for t in self._tickets.values() if t.started_at is not None]
        return self.clock() - min(started) if started else 0.0

    @property
    def running(self) -> str:
        """The recordings that are with the model, in words."""
        return "; ".join(t.label for t in self._tickets.values() if t.started_at is not None)

    def retry_after_seconds(self) -> int:
        """When half the queue should be gone: measured time per request, times half of them."""
        return max(1, round(self._seconds_each * max(1, self.waiting) / 2))
