"""What the life of one replica has to say to operators: on the bus, and kept in its report."""

from __future__ import annotations

from seacod import protocol
from seacod.supervisor.bus import AlertCleared, AlertRaised, Bus
from seacod.supervisor.clock import Clock
from seacod.supervisor.replica import Replica
from seacod.supervisor.workers.report import Report, ReportedEvent


class Telling:
    """Publishes alerts of one replica.

    Args:
        replica: what they are about.
        bus: where they are published.
        report: where they are written down.
        clock: when it was.
    """

    def __init__(self, replica: Replica, bus: Bus, report: Report, clock: Clock) -> None:
        self._key = replica.name
        self._bus = bus
        self._report = report
        self._clock = clock

    def raised(self, kind: str, english: str, chinese: str) -> None:
        """Something an operator should hear."""
        self.note(kind, english, chinese)
        self._bus.publish(AlertRaised(kind, english, chinese, self._key))

    def cleared(self, kind: str, english: str, chinese: str) -> None:
        """It is over."""
        self.note(f"{kind} over", english, chinese)
        self._bus.publish(AlertCleared(kind, english, chinese, self._key))

    def is_well(self, kind: str, english: str, chinese: str) -> None:
        """Over, if a supervisor before this one has told of it; nothing is written down here."""
        self._bus.publish(AlertCleared(kind, english, chinese, self._key))

    def faulted(self, fault: protocol.Fault) -> None:
        """A worker tells of a fault, or that one is over."""
        chinese = fault.chinese or fault.message
        if fault.is_over:
            # Each worker says so when it begins; only what was raised is cleared.
            self._bus.publish(AlertCleared(fault.kind, fault.message, chinese, self._key))
        else:
            self.raised(fault.kind, fault.message, chinese)

    def note(self, event: str, english: str, chinese: str) -> None:
        """Written down for status only."""
        self._report.notice(ReportedEvent(self._clock.time(), event, english, chinese))
