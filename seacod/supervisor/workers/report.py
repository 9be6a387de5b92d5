"""What is known about the service now; written by `lifecycle.py`, read by status, metrics and
sd_notify."""

from __future__ import annotations

from dataclasses import dataclass, field

from seacod import protocol
from seacod.supervisor.clock import Moment
from seacod.supervisor.workers.states import ServiceState
from seacod.system.text.words import NOTHING, Words

KEPT_CAUSES = 10
KEPT_NOTICES = 20


@dataclass(frozen=True, slots=True)
class ReportedEvent:
    """Something an operator should hear of.

    Args:
        at: Unix seconds.
        event: its name, as in the log.
        text: one sentence.
        text_zh: the same in Chinese.
    """

    at: float
    event: str
    text: str
    text_zh: str


@dataclass(frozen=True, slots=True)
class Restart:
    """A restart that nobody asked for. `at` is Unix seconds."""

    at: float
    cause: str
    cause_zh: str


@dataclass(frozen=True, slots=True)
class OtherProcess:
    """A process beside the worker in front: a replacement, or the nursery. `since` is Unix
    seconds."""

    pid: int
    state: str
    since: float


@dataclass(frozen=True, slots=True)
class NurseryProcess(OtherProcess):
    """`waiting_pid`: the worker that is forked already, and waits to be wanted."""

    waiting_pid: int | None


@dataclass(slots=True)
class Report:
    """The service in plain values. Times are Unix seconds."""

    state: ServiceState = ServiceState.ABSENT
    # Of this state.
    began: Moment = field(default_factory=Moment)
    pid: int | None = None
    stage: Words = NOTHING
    # How long the last start took that loaded everything; None where none was measured.
    last_start_seconds: float | None = None
    model: str = ""
    device: str = ""
    beat: protocol.Beat | None = None
    # When it came, on the monotonic clock.
    beat_at: float | None = None
    replacement: OtherProcess | None = None
    leaving: int = 0
    restarts: int = 0
    last_restarts: list[Restart] = field(default_factory=list)
    has_served: bool = False
    is_crash_looping: bool = False
    last_away_seconds: float | None = None
    total_away_seconds: float = 0.0
    notices: list[ReportedEvent] = field(default_factory=list)

    def caused(self, at: float, words: Words) -> None:
        """Count a restart that nobody asked for."""
        self.restarts += 1
        self.last_restarts = [*self.last_restarts, Restart(at, *words)][-KEPT_CAUSES:]

    @property
    def last_causes(self) -> list[str]:
        """The causes of the last restarts, the newest last."""
        return [restart.cause for restart in self.last_restarts]

    def notice(self, event: ReportedEvent) -> None:
        """Something an operator should hear of."""
        self.notices = [*self.notices, event][-KEPT_NOTICES:]
