"""Whether a serving worker lives: what was seen of it, and the judgement. No process, no I/O.

*Idle is not hung, and slow is not hung.* A worker is given up only when one of three things it
owes has not come for too long: a beat of its event loop, progress while work is with the model, or
answers through the listening socket. `lifecycle.py` asks about once a second.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from seacod.config.supervisor import SupervisorSettings
from seacod.protocol import Beat

log = structlog.get_logger(__name__)

# A round of the supervisor's loop that took longer than this means that we ourselves stood still
# (SIGSTOP, a frozen container): what we did not see then is nobody's fault.
_OWN_PAUSE_SECONDS = 5.0


class Ailment(enum.Enum):
    """Why a worker counts as hung; the value is the cause in words."""

    SILENT = "hung: no beat", "卡死：没有心跳"
    """Its event loop stands still: stopped, blocked, or the interpreter lock is held."""
    STUCK = "hung: work without progress", "卡死：有任务但没有进展"
    """A batch is with the model and does not come back."""
    UNREACHABLE = "hung: no answer over HTTP", "卡死：HTTP 无响应"
    """It beats, but requests through the listening socket are not answered."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a serving worker.

    Args:
        beat_age_seconds: since its last beat, or since it began to serve.
        progress_age_seconds: since the model last finished something, 0 when it has no work, as
            of now (the beat's figure and the time since the beat).
        failed_probes: in a row, up to now.
        unanswered_seconds: since the first of these, 0 without one.
    """

    beat_age_seconds: float
    progress_age_seconds: float
    failed_probes: int
    unanswered_seconds: float = 0.0

    def owed_seconds(self, ailment: Ailment) -> float:
        """For how long it has not done what it owes, by this ailment."""
        return {
            Ailment.SILENT: self.beat_age_seconds,
            Ailment.STUCK: self.progress_age_seconds,
            Ailment.UNREACHABLE: self.unanswered_seconds,
        }[ailment]


def judge(seen: Seen, settings: SupervisorSettings) -> Ailment | None:
    """The worker's ailment, None when it lives.

    The most telling one comes first: an event loop that stands still answers no probe either.
    """
    if seen.beat_age_seconds > settings.beat_timeout_seconds:
        return Ailment.SILENT
    if seen.progress_age_seconds > settings.progress_timeout_seconds:
        return Ailment.STUCK
    if seen.failed_probes >= settings.probe_failures:
        return Ailment.UNREACHABLE
    return None


class Vitals:
    """Keeps what a serving worker showed of itself.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.begin()

    def begin(self) -> None:
        """From now on the worker owes everything anew."""
        self._beat_at = self._clock()
        self._progress_age_then = 0.0
        self._failed_probes = 0
        self._unanswered_since = self._beat_at
        self._is_crowded = False

    def beat(self, beat: Beat) -> None:
        """The worker's event loop gave a sign of life."""
        self._beat_at = self._clock()
        self._progress_age_then = beat.progress_age_seconds
        self._is_crowded = beat.is_crowded
        if beat.is_crowded:
            self._failed_probes = 0

    def probed(self, problem: str | None) -> None:
        """A request through the listening socket was answered (None) or was not."""
        if problem is None:
            self._failed_probes = 0
            return
        if self._is_crowded:
            # It says itself that not everybody gets in: it is full, not hung. The beat itself is
            # still owed.
            log.warning("probe_not_let_in", problem=problem)
            return
        if not self._failed_probes:
            self._unanswered_since = self._clock()
        self._failed_probes += 1
        log.warning("probe_failed", problem=problem, in_a_row=self._failed_probes)

    def seen(self) -> Seen:
        """Everything as of now."""
        age = self._clock() - self._beat_at
        then = self._progress_age_then
        unanswered = self._clock() - self._unanswered_since if self._failed_probes else 0.0
        return Seen(age, then + age if then > 0 else 0.0, self._failed_probes, unanswered)


def own_pause(clock: Callable[[], float]) -> Callable[[], bool]:
    """A watch for pauses of our own, to be called each time round; true right after one, when
    what was not seen of the workers has to be forgiven."""
    looked_at = clock()

    def happened() -> bool:
        nonlocal looked_at
        now = clock()
        paused, looked_at = now - looked_at, now
        if paused > _OWN_PAUSE_SECONDS:
            log.warning("supervisor_stood_still", seconds=round(paused, 1))
        return paused > _OWN_PAUSE_SECONDS

    return happened
