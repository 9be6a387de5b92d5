"""Everybody who serves: one life for each replica, and what concerns them all.

Stop and live settings go to all at once; new workers take over one replica after the other, so that
the others serve meanwhile. What the service as a whole is doing follows from its replicas.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from seacod import protocol
from seacod.config import changes
from seacod.config.schema import Settings
from seacod.supervisor.workers.events import ApplyRequested, ReplaceRequested, StopRequested
from seacod.supervisor.workers.lifecycle import Lifecycle
from seacod.supervisor.workers.placement import Replica
from seacod.supervisor.workers.report import KEPT_CAUSES, KEPT_NOTICES, Report, Restart
from seacod.supervisor.workers.states import ServiceState

log = structlog.get_logger(__name__)

# Of several replicas the first of these says what the service is doing.
_RANKS = (
    ServiceState.SERVING, ServiceState.STARTING, ServiceState.DRAINING, ServiceState.STOPPING,
    ServiceState.BACKING_OFF, ServiceState.CRASH_LOOPING, ServiceState.ABSENT,
)  # fmt: skip


@dataclass(slots=True)
class _Rolling:
    """New workers take over, one replica after the other."""

    settings: Settings
    previous: Settings
    cause: str
    at: int = 0


class Replicas:
    """The lives of all replicas.

    Args:
        replicas: what each is given.
        make: makes the life of a replica, whose hooks tell us what concerns all (`on_...`,
        `may_end`). settings: in use when the service starts.
        replaced: a replacement of all is over; None when the new settings are in use, else why not.
        changed: after each change of a state or stage.
    """

    def __init__(
        self,
        replicas: Sequence[Replica],
        make: Callable[[Replica, Replicas], Lifecycle],
        settings: Settings,
        replaced: Callable[[str | None], None],
        changed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._replaced = replaced
        self._changed = changed
        self._rolling: _Rolling | None = None
        self._away_since: float | None = None
        self._last_away: float | None = None
        self._total_away = 0.0
        self._is_giving_up = False
        self.lives: list[Lifecycle] = []
        for replica in replicas:
            self.lives.append(make(replica, self))

    async def run(self, touch: Callable[[str], None], ended: Callable[[str], None]) -> None:
        """Until all have ended.

        Args:
            touch: called with the name of a loop each time round, as proof of life.
            ended: called with that name when the loop is over: no more proof is owed.
        """

        async def live(life: Lifecycle, name: str) -> None:
            await life.run(lambda: touch(name))
            ended(name)

        running = []
        for life in self.lives:
            name = life.replica.named("lifecycle")
            running.append(asyncio.create_task(live(life, name), name=name))
        try:
            await asyncio.gather(*running)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    # -- what the lives tell ------------------------------------------------------------------

    def on_changed(self) -> None:
        """Of any replica."""
        if len(self.lives) > 1:
            self._measure_absence()
        if self.fatal_exit_code is not None and not self._is_giving_up:
            self._is_giving_up = True
            self.stop("the first start was given up")
        self._changed()

    def on_replaced(self, replica: Replica, problem: str | None) -> None:
        """A replacement of one replica is over."""
        rolling = self._rolling
        if rolling is None or replica.number != rolling.at:
            return
        if problem is None and rolling.at + 1 < len(self.lives):
            rolling.at += 1
            self._replace_next(rolling)
            return
        self._rolling = None
        if problem is None:
            self._settings = rolling.settings
        else:
            for life in self.lives[: rolling.at]:
                life.events.put(
                    ReplaceRequested(rolling.previous, "another worker did not get ready")
                )
        self._replaced(problem)

    def on_blamed(self, pid: int) -> None:
        """A worker of any replica ended by its own fault."""
        for life in self.lives:
            life.blame(pid)

    def may_end(self, replica: Replica) -> bool:
        """Whether the service may end because a replica's first start failed for good."""
        if any(life.report.has_served for life in self.lives):
            return False
        return all(
            life.report.state is not ServiceState.STARTING
            for life in self.lives
            if life.replica != replica
        )

    def _measure_absence(self) -> None:
        """Time without a worker that serves, counted for the service as a whole."""
        now = time.monotonic()
        if any(life.report.state is ServiceState.SERVING for life in self.lives):
            if self._away_since is not None:
                self._last_away = now - self._away_since
                self._total_away += self._last_away
                self._away_since = None
        elif self._away_since is None and any(life.report.has_served for life in self.lives):
            self._away_since = now

    # -- what the daemon asks -----------------------------------------------------------------

    def stop(self, cause: str) -> None:
        """All of them, each when it has finished what it has."""
        for life in self.lives:
            life.events.put(StopRequested(cause))

    def replace(self, settings: Settings, cause: str) -> None:
        """New workers with these settings take over, replica by replica. If one does not get
        ready, all go back to the settings before."""
        previous = self._rolling.previous if self._rolling is not None else self._settings
        self._rolling = _Rolling(settings, previous, cause)
        self._replace_next(self._rolling)

    def replace_one(
        self, replica: Replica, settings: Settings, cause: str, *, may_overlap: bool
    ) -> None:
        """Another worker takes over this replica."""
        if self._rolling is not None:
            log.info(
                "not_replaced_now", replica=replica.number + 1, cause="others are being replaced"
            )
            return
        self.lives[replica.number].events.put(ReplaceRequested(settings, cause, may_overlap))

    def apply(self, settings: Settings, keys: tuple[str, ...]) -> None:
        """Settings that take effect at once."""
        self._settings = settings
        if self._rolling is not None:
            # Those whose turn is still to come, and a way back, shall have them, too.
            changed = changes.values(settings, keys)
            self._rolling.settings = changes.with_values(self._rolling.settings, changed)
            self._rolling.previous = changes.with_values(self._rolling.previous, changed)
        for life in self.lives:
            life.events.put(ApplyRequested(settings, keys))

    def reopen_logs(self) -> None:
        for life in self.lives:
            life.reopen_logs()

    def _replace_next(self, rolling: _Rolling) -> None:
        self.lives[rolling.at].events.put(ReplaceRequested(rolling.settings, rolling.cause))

    # -- what is known ------------------------------------------------------------------------

    @property
    def report(self) -> Report:
        """The service as a whole."""
        reports = [life.report for life in self.lives]
        if len(reports) == 1:
            return reports[0]
        return combined(reports, self._last_away, self._total_away)

    @property
    def fatal_exit_code(self) -> int | None:
        """Why the first start was given up; None when it was not."""
        return next((x.fatal_exit_code for x in self.lives if x.fatal_exit_code is not None), None)

    @property
    def fatal_message(self) -> str:
        return next((life.fatal_message for life in self.lives if life.fatal_message), "")

    def pids(self) -> frozenset[int]:
        """Of all workers there are."""
        return frozenset().union(*(life.pids() for life in self.lives))

    def serving(self) -> int:
        """How many serve."""
        return sum(life.report.state is ServiceState.SERVING for life in self.lives)

    def retry_after_seconds(self) -> int:
        """When a client that is turned away now may find a worker."""
        return min(life.retry_after_seconds() for life in self.lives)

    def seconds_until_deadline(self) -> float | None:
        """How long the first start may still last."""
        left = [life.seconds_until_deadline() for life in self.lives]
        return max((seconds for seconds in left if seconds is not None), default=None)


def combined(
    reports: Sequence[Report], last_away: float | None = None, total_away: float = 0.0
) -> Report:
    """What several replicas make together: the state of the best, sums of the figures.

    Args:
        reports: of each replica.
        last_away, total_away: seconds without any of them.
    """
    best = min(reports, key=lambda report: _RANKS.index(report.state))
    restarts: list[Restart] = sorted(
        (one for report in reports for one in report.last_restarts), key=lambda one: one.at
    )
    notices = sorted((one for report in reports for one in report.notices), key=lambda one: one.at)
    beats_at = [r.beat_at for r in reports if r.beat_at is not None]
    return Report(
        state=best.state,
        since=best.since,
        pid=best.pid,
        stage=best.stage,
        model=best.model,
        device=best.device,
        beat=_summed([r.beat for r in reports if r.beat is not None]),
        beat_at=min(beats_at, default=None),
        was_spare=best.was_spare,
        spare=next((r.spare for r in reports if r.spare is not None), None),
        replacement=next((r.replacement for r in reports if r.replacement is not None), None),
        leaving=sum(r.leaving for r in reports),
        restarts=sum(r.restarts for r in reports),
        last_restarts=restarts[-KEPT_CAUSES:],
        has_served=any(r.has_served for r in reports),
        is_crash_looping=all(r.is_crash_looping for r in reports),
        last_away_seconds=last_away,
        total_away_seconds=total_away,
        notices=notices[-KEPT_NOTICES:],
    )


def _summed(beats: Sequence[protocol.Beat]) -> protocol.Beat | None:
    if not beats:
        return None
    return protocol.Beat(
        in_flight=sum(b.in_flight for b in beats),
        queue_depth=sum(b.queue_depth for b in beats),
        oldest_seconds=max(b.oldest_seconds for b in beats),
        progress_age_seconds=max(b.progress_age_seconds for b in beats),
        answered=sum(b.answered for b in beats),
        failed=sum(b.failed for b in beats),
        gpu_reserved_bytes=sum(b.gpu_reserved_bytes for b in beats),
        running="; ".join(filter(None, (b.running for b in beats)))[:500],
    )
