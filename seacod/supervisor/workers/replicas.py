"""The lives of all replicas, and what concerns them all.

Stop and live settings go to all at once; new workers take over one replica after the other, so that
the others serve meanwhile. What the service as a whole is doing follows from its replicas.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from seacod import protocol
from seacod.config import changes
from seacod.supervisor.bus import Bus, ReplacementEnded, RolloverEnded, StateChanged
from seacod.supervisor.replica import Replica
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.sockets.shared_fallback import FallbackAnswers, SharedFallback
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats
from seacod.supervisor.workers.absence import Absence
from seacod.supervisor.workers.events import ApplyRequested, ReplaceRequested, StopRequested
from seacod.supervisor.workers.host import Host
from seacod.supervisor.workers.lifecycle import TICK_SECONDS, Lifecycle
from seacod.supervisor.workers.report import KEPT_CAUSES, KEPT_NOTICES, Report, Restart
from seacod.supervisor.workers.states import ServiceState
from seacod.system.text.words import NOTHING, Words

log = structlog.get_logger(__name__)

# Of several replicas the first of these says what the service is doing.
_RANKS = (
    ServiceState.SERVING, ServiceState.STARTING, ServiceState.DRAINING, ServiceState.STOPPING,
    ServiceState.BACKING_OFF, ServiceState.CRASH_LOOPING, ServiceState.ABSENT,
)  # fmt: skip


@dataclass(slots=True)
class _Rolling:
    """New workers take over, one replica after the other; the one at `at` is on its way."""

    request: int
    cause: str
    at: int = 0


class Replicas:
    """The lives of all replicas.

    Args:
        replicas: what each is given.
        settings: what their workers use.
        host: processes, clock, memory, chance.
        fallback: answers while no worker serves.
        bus: hears what happens.
    """

    def __init__(
        self,
        replicas: Sequence[Replica],
        settings: SettingsHolder,
        host: Host,
        fallback: FallbackAnswers,
        bus: Bus,
    ) -> None:
        self._settings = settings
        self._bus = bus
        self._rolling: _Rolling | None = None
        self._requests = 0
        self._absence = Absence(host.clock)
        self._is_giving_up = False
        shared = SharedFallback(fallback, len(replicas))
        self.lives = [
            Lifecycle(
                replica,
                host,
                settings.for_worker(replica),
                shared,
                bus,
                functools.partial(self._may_give_up, replica),
            )
            for replica in replicas
        ]
        bus.subscribe(StateChanged, self._on_changed)
        bus.subscribe(ReplacementEnded, self._on_replacement_ended)

    async def run(self, heartbeats: TaskHeartbeats) -> None:
        """Until all have ended.

        Args:
            heartbeats: where each life shows that it runs.
        """

        async def live(life: Lifecycle, name: str) -> None:
            heartbeats.expect(name, TICK_SECONDS)
            await life.run(functools.partial(heartbeats.touch, name))
            heartbeats.forget(name)

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

    def _on_changed(self, event: StateChanged) -> None:
        if len(self.lives) > 1:
            self._measure_absence()
        if self.fatal_exit_code is not None and not self._is_giving_up:
            self._is_giving_up = True
            self.stop("the first start was given up")

    def _on_replacement_ended(self, event: ReplacementEnded) -> None:
        """One replica is done: the next one's turn, or the end of the rollover."""
        rolling = self._rolling
        if rolling is None or (event.request, event.replica.number) != (
            rolling.request,
            rolling.at,
        ):
            return  # a fresh worker that no reload asked for, or a reload that was overtaken
        if event.problem is None and rolling.at + 1 < len(self.lives):
            rolling.at += 1
            self._replace_next(rolling)
            return
        if event.problem is None:
            self._rolling = None
            self._settings.settle()
        else:
            self.go_back("another worker did not get ready")
        self._bus.publish(RolloverEnded(event.problem))

    def _may_give_up(self, replica: Replica) -> bool:
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
        if any(life.report.state is ServiceState.SERVING for life in self.lives):
            self._absence.end()
        elif any(life.report.has_served for life in self.lives):
            self._absence.begin()

    # -- what the daemon asks -----------------------------------------------------------------

    def stop(self, cause: str) -> None:
        """Every replica stops, each when its worker has finished what it has."""
        for life in self.lives:
            life.events.put(StopRequested(cause))

    def replace(self, cause: str) -> None:
        """New workers with the present settings take over, replica by replica. If one does not get
        ready, all go back to the settings before."""
        self._requests += 1
        self._rolling = _Rolling(self._requests, cause)
        self._replace_next(self._rolling)

    def go_back(self, cause: str) -> None:
        """New settings are not to be used after all: those before are, by every replica."""
        self._rolling = None
        self._settings.go_back()
        # A reload, one that was overtaken, too, may have reached any of them.
        for life in self.lives:
            self._request(life, cause, goes_back=True)

    def replace_one(self, replica: Replica, cause: str, *, may_overlap: bool) -> None:
        """Another worker takes over this replica."""
        if self._rolling is not None:
            log.info(
                "not_replaced_now", replica=replica.number + 1, cause="others are being replaced"
            )
            return
        self._request(self.lives[replica.number], cause, may_overlap=may_overlap)

    def apply(self, keys: tuple[str, ...]) -> None:
        """The present values of these keys take effect at once, everywhere."""
        changed = changes.values(self._settings.current, keys)
        for life in self.lives:
            life.events.put(ApplyRequested(changed))

    def reopen_logs(self) -> None:
        """Every worker opens its log file anew."""
        for life in self.lives:
            life.reopen_logs()

    def _replace_next(self, rolling: _Rolling) -> None:
        self._request(self.lives[rolling.at], rolling.cause, request=rolling.request)

    def _request(
        self, life: Lifecycle, cause: str, *, may_overlap: bool = True, request: int = 0,
        goes_back: bool = False,
    ) -> None:  # fmt: skip
        settings = self._settings.for_worker(life.replica)
        life.events.put(ReplaceRequested(settings, cause, may_overlap, request, goes_back))

    # -- what is known ------------------------------------------------------------------------

    @property
    def report(self) -> Report:
        """The service as a whole."""
        reports = [life.report for life in self.lives]
        if len(reports) == 1:
            return reports[0]
        return combined(reports, self._absence.last_seconds, self._absence.total_seconds)

    @property
    def fatal_exit_code(self) -> int | None:
        """Why the first start was given up; None when it was not."""
        return next((x.fatal_exit_code for x in self.lives if x.fatal_exit_code is not None), None)

    @property
    def fatal_words(self) -> Words:
        """Why the service has to end, in a sentence."""
        found = (life.fatal_words for life in self.lives)
        return next((words for words in found if words != NOTHING), NOTHING)

    def pids(self) -> frozenset[int]:
        """The pids of all workers there are."""
        return frozenset().union(*(life.pids() for life in self.lives))

    def serving(self) -> int:
        """How many workers serve."""
        return sum(life.report.state is ServiceState.SERVING for life in self.lives)

    def seconds_until_deadline(self) -> float | None:
        """How long the first start may still last."""
        left = [life.seconds_until_deadline() for life in self.lives]
        return max((seconds for seconds in left if seconds is not None), default=None)


def combined(
    reports: Sequence[Report], last_away: float | None = None, total_away: float = 0.0
) -> Report:
    """What several replicas make together: the state of the best, sums of the figures.

    Args:
        reports: one of each replica.
        last_away, total_away: seconds during which none of them served.
    """
    best = min(reports, key=lambda report: _RANKS.index(report.state))
    restarts: list[Restart] = sorted(
        (one for report in reports for one in report.last_restarts), key=lambda one: one.at
    )
    notices = sorted((one for report in reports for one in report.notices), key=lambda one: one.at)
    beats_at = [r.beat_at for r in reports if r.beat_at is not None]
    return Report(
        state=best.state,
        began=best.began,
        pid=best.pid,
        stage=best.stage,
        last_start_seconds=best.last_start_seconds,
        model=best.model,
        device=best.device,
        beat=_summed([r.beat for r in reports if r.beat is not None]),
        beat_at=min(beats_at, default=None),
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
