"""The life of one replica: who serves, who takes over, when the next one starts.

A service has one such life for each of its workers (`replicas.py`); mostly that is one. One loop
takes one event at a time (`run`), gives it to the handler of its kind, and looks at the deadlines.
Handlers never wait. Who there is stands in `group.py`, what a single worker can do in `worker.py`,
when the next start is due in `backoff.py`, how a stop goes in `stopping.py`.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

import structlog

from seacod import protocol
from seacod.config import changes
from seacod.config.schema import Settings
from seacod.supervisor.bus import (
    Bus,
    RecordingAcquitted,
    StateChanged,
    WorkerBeat,
    WorkerBlamed,
    WorkerCrashed,
    WorkerGone,
)
from seacod.supervisor.clock import Moment
from seacod.supervisor.replica import Replica
from seacod.supervisor.sockets.shared_fallback import SharedFallback
from seacod.supervisor.workers.absence import Absence
from seacod.supervisor.workers.backoff import Backoff
from seacod.supervisor.workers.events import (
    ApplyRequested,
    Event,
    EventQueue,
    Exited,
    Forked,
    Garbled,
    Probed,
    Received,
    ReplaceRequested,
    StopRequested,
)
from seacod.supervisor.workers.exits import (
    STUCK,
    End,
    ExitKind,
    MemoryKills,
    classify,
    is_own_fault,
)
from seacod.supervisor.workers.group import WorkerGroup
from seacod.supervisor.workers.host import Host
from seacod.supervisor.workers.liveness import own_pause
from seacod.supervisor.workers.news import News
from seacod.supervisor.workers.report import Report
from seacod.supervisor.workers.restart import RestartPause
from seacod.supervisor.workers.rollover import Rollover
from seacod.supervisor.workers.states import ServiceState, WorkerState, service_state
from seacod.supervisor.workers.stopping import Stopping
from seacod.supervisor.workers.telling import Telling
from seacod.supervisor.workers.worker import Worker
from seacod.system.text.words import NOTHING

log = structlog.get_logger(__name__)

# How often deadlines are looked at when nothing happens.
TICK_SECONDS = 1.0
# Where a worker waits for longer than this to be forked, its nursery was not there, or not loaded.
_NOTHING_LOADED_SECONDS = 1.0
# What a worker says of itself that an operator is to hear; the others end it.
_TOLD_FAULTS = ("out_of_memory", "canary", "jobs", "jobs_place", "jobs_lost")
# A start that ends so before anything was ever served ends the service, too: trying again changes
# nothing (configuration), or is systemd's to do (model not available).
_FATAL_AT_FIRST_START = (ExitKind.CONFIGURATION, ExitKind.MODEL)


class Lifecycle:
    """Owns the worker processes of a replica; nobody else starts, signals or reaps them.

    Args:
        replica: what its workers are given.
        host: processes, clock, kernel, chance.
        settings: what the first worker uses.
        fallback: wanted open whenever no worker of this replica serves.
        bus: hears what happens.
        may_give_up: asked when a first start failed for good: whether the service is to end, too.
            Not while another worker serves or is about to.
    """

    def __init__(
        self,
        replica: Replica,
        host: Host,
        settings: Settings,
        fallback: SharedFallback,
        bus: Bus,
        may_give_up: Callable[[], bool],
    ) -> None:
        self.replica = replica
        self.report = Report(began=Moment(host.clock))
        self.events = EventQueue()
        self.fatal_exit_code: int | None = None
        self.fatal_words = NOTHING
        self._clock = host.clock
        self._settings = settings
        self._bus = bus
        self._may_give_up = may_give_up
        self._fallback = fallback.switch(replica.number, self.retry_after_seconds)
        self._telling = Telling(replica, bus, self.report, host.clock)
        self._group = WorkerGroup(replica, host, self.events, self._changed)
        self._rollover = Rollover(replica, self._group, self._fallback, self._telling, bus)
        self._backoff = Backoff(host, self.report, self._telling)
        self._stopping = Stopping(self._group, self._backoff, self._fallback, host.clock)
        self._absence = Absence(host.clock)
        self._memory_kills = MemoryKills(host.cgroup)
        self._own_pause = own_pause(host.clock.monotonic)
        self._news = News(self._group, bus)
        self._start_times = host.start_times

    # -- the loop ---------------------------------------------------------------------------

    async def run(self, touch: Callable[[], None]) -> None:
        """Keep a worker alive until a stop was asked for and is done, or a fatal start.

        Args:
            touch: called each time round, as proof of life.
        """
        try:
            self._start("service started")
            while not self._is_over():
                event = await self.events.next(self._wait_seconds())
                touch()
                self._handle(event)
                self._check_deadlines()
                # While nobody serves it grows with each tick.
                self.report.total_away_seconds = self._absence.total_seconds
                self._check_liveness()
        finally:
            self._group.kill()

    def _is_over(self) -> bool:
        is_ending = self._stopping.cause is not None or self.fatal_exit_code is not None
        return is_ending and not self._group.is_waited_for

    def _wait_seconds(self) -> float:
        waits = [worker.seconds_until_deadline() for worker in self._group]
        waits += [self._stopping.seconds_left(), self._backoff.seconds_left()]
        return min([TICK_SECONDS, *(wait for wait in waits if wait is not None)])

    def _handle(self, event: Event) -> None:
        match event:
            case Forked(slot) | Received(slot) | Garbled(slot) | Exited(slot):
                if (worker := self._group.find(slot)) is not None:
                    self._hear(worker, event)
            case StopRequested(cause):
                self._stopping.asked(cause, self._settings.server.drain_notice_seconds)
            case ReplaceRequested():
                self._on_replace(event)
            case ApplyRequested(changed):
                self._on_apply(changed)
            case Probed(problem):
                front = self._group.front
                if front is not None and front.state is WorkerState.SERVING:
                    front.vitals.probed(problem)

    def _check_deadlines(self) -> None:
        self._stopping.check_deadline()
        for worker in list(self._group):
            if worker.check_deadline():
                self._on_stuck(worker)
        if self._backoff.seconds_left() == 0.0:
            self._start("back-off over")

    def _check_liveness(self) -> None:
        paused = self._own_pause()
        settings = self._settings.supervisor
        for worker in list(self._group):
            if paused:
                worker.vitals.begin()
            elif (found := worker.ailment(settings)) is not None:
                worker.give_up(*found)
        front = self._group.front
        self._backoff.is_serving(front.ready_for_seconds if front is not None else None, settings)

    # -- what a worker says -----------------------------------------------------------------

    def _hear(self, worker: Worker, event: Forked | Received | Garbled | Exited) -> None:
        if isinstance(event, Exited):
            self._on_exited(worker, event.status)
        elif isinstance(event, Forked):
            self._on_forked(worker)
        elif isinstance(event, Garbled):
            log.warning("worker_sent_garbage", worker_pid=worker.pid, problem=event.problem)
        else:
            worker.hear(event.message)
            self._on_message(worker, event.message)

    def _on_message(self, worker: Worker, message: protocol.FromWorker) -> None:
        if isinstance(message, protocol.Ready):
            self._on_ready(worker, message)
        elif isinstance(message, protocol.Fault) and message.kind in _TOLD_FAULTS:
            self._telling.faulted(message)
        elif isinstance(message, protocol.Acquitted):
            self._bus.publish(RecordingAcquitted(message.digest))
        elif isinstance(message, protocol.Beat) and worker is self._group.front:
            self.report.beat, self.report.beat_at = message, self._clock.monotonic()
            if worker.state is WorkerState.SERVING:
                self._bus.publish(WorkerBeat(self.replica, worker.pid, message))

    def _on_forked(self, worker: Worker) -> None:
        worker.forked()
        waited = self._clock.monotonic() - worker.wanted_at
        if waited > _NOTHING_LOADED_SECONDS:
            self._start_times.note("load", waited)

    def _on_ready(self, worker: Worker, message: protocol.Ready) -> None:
        if worker.state is not WorkerState.STARTING:
            return
        if worker is self._group.incoming:
            old = self._rollover.take_over(worker)
            self._begin_serving(worker, message)
            if old is not None and old.state is WorkerState.SERVING:
                old.drain("another worker serves")
        elif worker is self._group.front:
            # Order matters: the supervisor lets go before the worker takes over. What arrives in
            # between waits in the kernel's queue.
            self._fallback.close()
            self._begin_serving(worker, message)
        if worker is self._group.front:
            self._rollover.done()
        self._changed()

    def _begin_serving(self, worker: Worker, message: protocol.Ready) -> None:
        self.report.has_served = True
        if (away := self._absence.end()) is not None:
            self.report.last_away_seconds = away
            self.report.total_away_seconds = self._absence.total_seconds
            log.info("service_came_back", worker_pid=worker.pid, away_seconds=round(away, 2))
            self._telling.cleared(
                "worker_crashed",
                f"A worker serves again after {away:.1f} s.",
                f"{away:.1f} 秒后已恢复服务。",
            )
        self._news.tell(worker)
        self._start_times.note("start", worker.serve(message, self._news.blamed_pids))

    # -- ends -------------------------------------------------------------------------------

    def _on_exited(self, worker: Worker, status: int) -> None:
        # Asked at every end, ours too: otherwise a kill now would be blamed on the next one.
        is_out_of_memory = self._memory_kills.happened()
        end = worker.our_end or classify(status, is_out_of_memory=is_out_of_memory)
        if worker.pid and is_own_fault(end, status):
            self._bus.publish(WorkerBlamed(worker.pid, worker.process.slot))
        if worker.state is WorkerState.STUCK:
            self._telling.cleared(
                "worker_hung",
                f"The process with pid {worker.pid}, which nothing ended, has ended now.",
                f"此前无法结束的进程（pid {worker.pid}）现已退出。",
            )
        was_asked, ready_for = worker.was_asked_to_end, worker.ready_for_seconds
        is_hung = end.kind in (ExitKind.HUNG, ExitKind.NEVER_READY)
        worker.ended(end, status, is_wanted=was_asked and not is_hung)
        self._bus.publish(WorkerGone(worker.process.slot))
        if worker is self._group.incoming:
            self._group.incoming = None
            if self._stopping.cause is None:
                self._give_up_replacement(worker, end)
        elif worker is self._group.front:
            self._group.front = None
            self._on_front_ended(worker, end, status, ready_for, is_wanted=was_asked)
        else:
            self._group.leaving.remove(worker)
        self._changed()

    def _on_stuck(self, worker: Worker) -> None:
        """KILL was in vain: as if it had ended, but that it stays, with what it has."""
        self._telling.raised(
            "worker_hung",
            f"The worker with pid {worker.pid} cannot be ended, not even by SIGKILL: the kernel "
            "holds it, mostly for a driver (GPU) or a disk that does not answer. Another worker is "
            "started beside it; its memory, on the GPU too, is free when it goes or the machine "
            "restarts.",
            f"识别进程（pid {worker.pid}）无法结束，SIGKILL 亦无效：它卡在内核中，"
            "多因驱动（GPU）或磁盘没有响应。将另行启动新的识别进程；"
            "该进程占用的内存（含显存）须待其退出或重启机器后释放。",
        )
        is_front, is_incoming = worker is self._group.front, worker is self._group.incoming
        if is_front or is_incoming:
            self._group.leaving.append(worker)
        if is_incoming:
            self._group.incoming = None
            if self._stopping.cause is None:
                self._give_up_replacement(worker, STUCK)
        elif is_front:
            self._group.front = None
            wanted = worker.our_end is not None and worker.our_end.kind is ExitKind.STOPPED
            self._on_front_ended(
                worker, STUCK, -signal.SIGKILL, worker.ready_for_seconds, is_wanted=wanted
            )
        self._changed()

    def _on_front_ended(
        self, worker: Worker, end: End, status: int, ready_for: float | None, *, is_wanted: bool
    ) -> None:
        if self._stopping.cause is not None or self._stopping.begin_announced():
            return
        if self.report.has_served:
            self._absence.begin(worker.unwell_since)
        if self._group.incoming is not None:
            # The old worker went before its replacement was ready: from now on that is the one.
            self._group.front, self._group.incoming = self._group.incoming, None
            self._fallback.open("replacing")
            if end.kind is not ExitKind.STOPPED:
                self._tell_of_crash(worker, end, status)
        elif self._rollover.is_after(worker):
            if is_wanted:
                self._start("the old worker has ended")
            else:
                self._fail(worker, end, status, ready_for)
        elif self._rollover.has_failed(worker):
            self._give_up_replacement(worker, end)
            self._start("back to the settings before")
        elif end.kind in _FATAL_AT_FIRST_START and self._may_give_up():
            self.fatal_exit_code = status
            self.fatal_words = worker.end_in_words(end)
        else:
            self._fail(worker, end, status, ready_for)

    def _give_up_replacement(self, worker: Worker, end: End) -> None:
        settings = self._rollover.give_up(worker, end)
        if settings is not None:
            self._settings = settings

    def _tell_of_crash(self, worker: Worker, end: End, status: int) -> None:
        self.report.caused(self._clock.time(), end.words)
        english, chinese = end.words
        self._telling.note(
            "worker_crashed", f"pid {worker.pid}: {english}", f"pid {worker.pid}：{chinese}"
        )
        self._bus.publish(WorkerCrashed(self.replica, worker.crash(end, status)))

    def _fail(self, worker: Worker, end: End, status: int, ready_for: float | None) -> None:
        """A worker ended that should not have: the next one comes, after a pause or at once."""
        self._tell_of_crash(worker, end, status)
        pause = self._backoff.failed(end, ready_for, self._settings.supervisor)
        if not pause.seconds:
            self._start(end.cause)
            return
        self._fallback.open("crash_looping" if pause.is_crash_loop else "restarting")
        self._backoff.wait(pause, end.cause)

    # -- what the daemon asks ---------------------------------------------------------------

    def _on_replace(self, requested: ReplaceRequested) -> None:
        """Another worker is to take over, without a failed request."""
        if self._stopping.is_asked_for:
            return
        if requested.goes_back and requested.settings == self._settings:
            return
        # Also one that loads with settings that were new a moment ago.
        self._group.dismiss_replacement(requested.cause)
        front, in_use, self._settings = self._group.front, self._settings, requested.settings
        if front is None:
            self._start(requested.cause)
            self._rollover.forget(requested)
        elif self._rollover.begin(front, requested, in_use):
            self._absence.begin()
        self._changed()

    def _on_apply(self, changed: dict[str, object]) -> None:
        """Settings that take effect at once, by dotted key."""
        self._settings = changes.with_values(self._settings, changed)
        self._rollover.applied(changed)
        for worker in self._group:
            worker.apply(changed)

    # -- actions ----------------------------------------------------------------------------

    def _start(self, cause: str) -> None:
        """A worker is to serve."""
        self._fallback.open("restarting" if self.report.has_served else "starting")
        self._backoff.clear()
        if not self._group.has_room:
            log.error("worker_not_started", cause="too many processes that nothing ends")
            seconds = self._settings.supervisor.crash_loop_pause_seconds
            self._backoff.wait(RestartPause(seconds, is_crash_loop=True), STUCK.cause)
            return
        self.report.last_start_seconds = self._start_times.last_seconds
        self._group.front = self._group.spawn(self._settings, cause)
        self._changed()

    def release_gpu_cache(self) -> None:
        """Ask the worker in front to give cached GPU memory back."""
        if self._group.front is not None:
            self._group.front.process.send(protocol.ReleaseGpuCache())

    def reopen_logs(self) -> None:
        """Tell the workers that their log file was moved away."""
        for worker in self._group:
            worker.process.send(protocol.ReopenLogs())

    # -- what is known ----------------------------------------------------------------------

    @property
    def slot(self) -> str | None:
        """The slot of the worker that serves; None when none does."""
        front = self._group.front
        return front.process.slot if front is not None and self._group.is_serving else None

    def pids(self) -> frozenset[int]:
        """The pids of all workers there are."""
        return frozenset(worker.pid for worker in self._group if worker.pid)

    def seconds_until_deadline(self) -> float | None:
        """How long the present state may still last; None when it has no limit."""
        if self._group.front is not None:
            return self._group.front.seconds_until_deadline()
        return self._backoff.seconds_left()

    def retry_after_seconds(self) -> int:
        """When a client that is turned away now may find a worker: measured, not guessed."""
        front, times = self._group.front, self._start_times
        if front is not None and front.state is WorkerState.STARTING:
            now = self._clock.monotonic()
            if front.forked_at is not None:
                return max(1, round(times.rest("start", now - front.forked_at)))
            waited = now - front.wanted_at
            is_loading = waited > _NOTHING_LOADED_SECONDS or not self.report.has_served
            left = times.rest("load", waited) if is_loading else 0.0
            return max(1, round(left + times.rest("start")))
        pause = self.seconds_until_deadline() or 0.0
        return max(1, round(times.rest("start") + pause))

    def _state(self) -> ServiceState:
        front = self._group.front.state if self._group.front is not None else None
        return service_state(front, self._backoff.is_waiting, self.report.is_crash_looping)

    def _changed(self) -> None:
        """Bring the report up to date, and tell."""
        report, front = self.report, self._group.front
        state = self._state()
        pid = (front.pid or None) if front is not None else None
        if (state, pid) != (report.state, report.pid):
            report.state, report.pid, report.began = state, pid, Moment(self._clock)
            report.beat = report.beat_at = None
        self._group.describe(report)
        self._bus.publish(StateChanged(self.replica))
