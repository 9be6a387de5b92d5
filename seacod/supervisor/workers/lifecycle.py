"""The life of one replica: who serves, who takes over, when the next one starts.

A service has one such life for each of its workers (`replicas.py`); mostly that is one. One loop
takes one event at a time (`run`), gives it to the handler of its kind, and looks at the deadlines.
Handlers never wait. Called by `daemon.py`; who there is stands in `group.py`, what a single worker
can do in `worker.py`, the arithmetic of pauses in `restart.py`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from seacod import protocol
from seacod.config import changes
from seacod.config.schema import Settings
from seacod.supervisor.sockets.listener import Listener
from seacod.supervisor.sockets.shared_fallback import FallbackSwitch
from seacod.supervisor.systemd.announced_stop import AnnouncedStop
from seacod.supervisor.watch.crashes import Crash
from seacod.supervisor.workers.events import (
    ApplyRequested,
    Event,
    EventQueue,
    Exited,
    Garbled,
    Probed,
    Received,
    ReplaceRequested,
    StopRequested,
)
from seacod.supervisor.workers.exits import End, ExitKind, MemoryKills, classify, is_own_fault
from seacod.supervisor.workers.group import WorkerGroup
from seacod.supervisor.workers.host_memory import HostMemoryGate
from seacod.supervisor.workers.liveness import Limits, own_pause
from seacod.supervisor.workers.placement import Replica
from seacod.supervisor.workers.process import WORKER_COMMAND
from seacod.supervisor.workers.report import Report
from seacod.supervisor.workers.restart import Pause, RestartPolicy
from seacod.supervisor.workers.rollover import Rollover
from seacod.supervisor.workers.states import ServiceState, WorkerState, service_state
from seacod.supervisor.workers.worker import Worker

log = structlog.get_logger(__name__)

# How often deadlines are looked at when nothing happens.
TICK_SECONDS = 1.0
# What a start takes when none has been measured yet: importing torch, funasr and gradio; and what
# a spare takes to become the worker.
_FIRST_START_ESTIMATE_SECONDS = 25.0
_FIRST_PROMOTION_ESTIMATE_SECONDS = 3.0
# A start that ends so before anything was ever served ends the service, too: trying again changes
# nothing (configuration), or is systemd's to do (model not to be had).
_FATAL_AT_FIRST_START = (ExitKind.CONFIGURATION, ExitKind.MODEL)
# A worker is told of so many of those before it that ended by their own fault.
_BLAMED_KEPT = 20


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the daemon wants to hear.

    Args:
        changed: after each change of state or stage.
        beat: the worker in front gave a sign of life: its pid, what it said.
        crashed: a worker ended that was not asked to.
        gone: a worker's metrics slot is free again.
        replaced: a replacement is over; None when the new settings are in use, else why not.
        raised: something an operator should hear: a kind of alert, English, Chinese.
        cleared: it is over.
        blamed: a worker, by pid, ended by its own fault.
        may_end: asked when a first start failed for good: whether the service is to end, too. Not
            while another worker serves or is about to.
    """

    changed: Callable[[], None]
    beat: Callable[[int, protocol.Beat], None]
    crashed: Callable[[Crash], None]
    gone: Callable[[str], None]
    replaced: Callable[[str | None], None]
    raised: Callable[[str, str, str], None]
    cleared: Callable[[str, str, str], None]
    blamed: Callable[[int], None]
    may_end: Callable[[], bool]


class Lifecycle:
    """Owns the worker processes of a replica; nobody else starts, signals or reaps them.

    Args:
        replica: what its workers are given.
        listener: the listening socket, handed on to each worker.
        settings: what the first worker uses.
        fallback: wanted open whenever no worker of this replica serves.
        hooks: who hears what.
        worker_command: what a worker is; see `WorkerProcess`.
        host_memory: whether a second worker fits into memory.
    """

    def __init__(
        self,
        replica: Replica,
        listener: Listener,
        settings: Settings,
        fallback: FallbackSwitch,
        hooks: Hooks,
        *,
        worker_command: Sequence[str] = WORKER_COMMAND,
        host_memory: HostMemoryGate | None = None,
        random_: random.Random | None = None,
    ) -> None:
        self.replica = replica
        self.report = Report()
        self.events = EventQueue()
        self.fatal_exit_code: int | None = None
        self.fatal_message = ""
        self._listener = listener
        self._settings = settings
        self._fallback = fallback
        self._hooks = hooks
        self._random = random_ or random.Random()
        self._host_memory = host_memory or HostMemoryGate()
        self._group = WorkerGroup(
            replica,
            listener,
            self.events,
            worker_command,
            self._host_memory,
            self._random,
            self._changed,
        )
        self._rollover = Rollover(
            self._group, self._host_memory, fallback, hooks.replaced, self._raise
        )
        self._restart_at: float | None = None
        self._failures: tuple[float, ...] = ()
        self._memory_kills = MemoryKills()
        self._own_pause = own_pause(time.monotonic)
        self._away_since: float | None = None
        self._blamed_pids: list[int] = []
        # By whether a spare was promoted.
        self._start_seconds = {
            False: _FIRST_START_ESTIMATE_SECONDS,
            True: _FIRST_PROMOTION_ESTIMATE_SECONDS,
        }
        self._notice = AnnouncedStop()
        self._stop_cause: str | None = None

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
                self._check_liveness()
                self._tend_spare()
        finally:
            self._group.kill()

    def _is_over(self) -> bool:
        is_ending = self._stop_cause is not None or self.fatal_exit_code is not None
        return is_ending and not any(self._group)

    def _wait_seconds(self) -> float:
        waits = [worker.seconds_until_deadline() for worker in self._group]
        waits.append(self._notice.seconds_left())
        if self._restart_at is not None:
            waits.append(max(0.0, self._restart_at - time.monotonic()))
        return min([TICK_SECONDS, *(wait for wait in waits if wait is not None)])

    def _handle(self, event: Event) -> None:
        if isinstance(event, (Received, Garbled, Exited)):
            worker = self._group.find(event.pid)
            if worker is None:
                return
            if isinstance(event, Received):
                self._on_message(worker, event.message)
            elif isinstance(event, Exited):
                self._on_exited(worker, event.status)
            else:
                log.warning("worker_sent_garbage", worker_pid=event.pid, problem=event.problem)
        elif isinstance(event, StopRequested):
            self._on_stop(event.cause)
        elif isinstance(event, ReplaceRequested):
            self._on_replace(event.settings, event.cause, event.may_overlap)
        elif isinstance(event, ApplyRequested):
            self._on_apply(event.settings, event.keys)
        elif isinstance(event, Probed) and self._group.is_serving:
            assert self._group.front is not None
            self._group.front.vitals.probed(event.problem)

    def _check_deadlines(self) -> None:
        if self._notice.seconds_left() == 0.0:
            self._stop(self._notice.take() or "")
        for worker in list(self._group):
            worker.check_deadline()
        if self._restart_at is not None and time.monotonic() >= self._restart_at:
            self._start("back-off over")

    def _check_liveness(self) -> None:
        paused = self._own_pause()
        limits = Limits.of(self._settings.supervisor)
        for worker in list(self._group):
            if paused:
                worker.vitals.begin()
            elif (found := worker.ailment(limits)) is not None:
                worker.give_up(*found)
        self._notice_stability()

    def _notice_stability(self) -> None:
        """A worker that is ready for long enough leads out of a crash loop."""
        ready_for = self._group.front.ready_for_seconds if self._group.front is not None else None
        if ready_for is None or ready_for < self._settings.supervisor.stable_seconds:
            return
        self._failures = ()
        if self.report.is_crash_looping:
            self.report.is_crash_looping = False
            log.info("crash_loop_left", worker_pid=self.report.pid)
            self._clear("crash_loop", "A worker has been stable.", "识别进程已稳定运行。")

    def _tend_spare(self) -> None:
        is_wanted = (
            self._group.is_serving
            and self._rollover.current is None
            and self._stop_cause is None
            and not self._group.leaving
            and not self.report.is_crash_looping
        )
        self._group.leave(self._group.spare.tend(self._settings, is_wanted=is_wanted))

    # -- what a worker says -----------------------------------------------------------------

    def _on_message(self, worker: Worker, message: protocol.FromWorker) -> None:
        if isinstance(message, protocol.Beat):
            worker.heard_beat(message)
            if worker is self._group.front:
                self.report.beat, self.report.beat_at = message, time.monotonic()
                if worker.state is WorkerState.SERVING:
                    self._hooks.beat(worker.pid, message)
        elif isinstance(message, protocol.Stage):
            worker.heard_stage(message)
        elif isinstance(message, protocol.Warm):
            worker.heard_warm()
        elif isinstance(message, protocol.Ready):
            self._on_ready(worker, message)
        elif isinstance(message, protocol.Fault):
            worker.fault = message
            log.error(
                "worker_reported_fault", worker_pid=worker.pid, kind=message.kind,
                text=message.message,
            )  # fmt: skip
            if message.kind in ("out_of_memory", "canary"):
                self._raise(message.kind, message.message, message.message)
        elif isinstance(message, protocol.Drained):
            log.info(
                "worker_drained", worker_pid=worker.pid, finished=message.finished,
                abandoned=message.abandoned,
            )  # fmt: skip

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
        if self._away_since is not None:
            away = time.monotonic() - self._away_since
            self._away_since = None
            self.report.came_back(away)
            log.info("service_came_back", worker_pid=worker.pid, away_seconds=round(away, 2))
            self._clear(
                "worker_crashed",
                f"A worker serves again after {away:.1f} s.",
                f"{away:.1f} 秒后已恢复服务。",
            )
        self._start_seconds[worker.was_spare] = worker.serve(message, self._blamed_pids)
        self._host_memory.measured(worker.pid)
        self._group.spare.serving()

    # -- ends -------------------------------------------------------------------------------

    def _on_exited(self, worker: Worker, status: int) -> None:
        # Asked at every end, ours too: otherwise a kill now would be blamed on the next one.
        is_out_of_memory = self._memory_kills.happened()
        end = worker.our_end or classify(status, is_out_of_memory=is_out_of_memory)
        if is_own_fault(end, status):
            self._hooks.blamed(worker.pid)
        was_asked, ready_for = worker.was_asked_to_end, worker.ready_for_seconds
        is_hung = end.kind in (ExitKind.HUNG, ExitKind.NEVER_READY)
        worker.ended(end, status, is_wanted=was_asked and not is_hung)
        self._hooks.gone(worker.process.slot)
        if worker is self._group.spare.worker:
            self._group.spare.ended(end)
        elif worker is self._group.incoming:
            self._group.incoming = None
            if self._stop_cause is None:
                self._give_up_replacement(worker, end)
        elif worker is self._group.front:
            self._group.front = None
            self._on_front_ended(worker, end, status, ready_for, is_wanted=was_asked)
        else:
            self._group.leaving.remove(worker)
        self._changed()

    def _on_front_ended(
        self, worker: Worker, end: End, status: int, ready_for: float | None, *, is_wanted: bool
    ) -> None:
        if self._stop_cause is not None:
            return
        if (cause := self._notice.take()) is not None:
            # Nobody is left to serve until then.
            self._stop(cause)
            return
        if self._away_since is None and self.report.has_served:
            self._away_since = time.monotonic()
        if self._group.incoming is not None:
            # The old worker went before its replacement was ready: from now on that is the one.
            self._group.front, self._group.incoming = self._group.incoming, None
            self._fallback.open("replacing")
            if end.kind is not ExitKind.STOPPED:
                self._count(worker, end, status)
        elif self._rollover.is_after(worker):
            if is_wanted:
                self._start("the old worker has ended")
            else:
                self._fail(worker, end, status, ready_for)
        elif self._rollover.has_failed(worker):
            self._give_up_replacement(worker, end)
            self._start("back to the settings before")
        elif end.kind in _FATAL_AT_FIRST_START and self._hooks.may_end():
            self.fatal_exit_code = status
            self.fatal_message = worker.fault.message if worker.fault else end.cause
            self._group.leave(self._group.spare.dismiss(self.fatal_message))
        else:
            self._fail(worker, end, status, ready_for)

    def _give_up_replacement(self, worker: Worker, end: End) -> None:
        settings = self._rollover.give_up(worker, end)
        if settings is not None:
            self._settings = settings

    def _count(self, worker: Worker, end: End, status: int) -> None:
        self.report.caused(end.cause)
        beat = worker.beat
        crash = Crash(
            at=time.time(),
            pid=worker.pid,
            cause=end.cause,
            kind=end.kind.value,
            status=status,
            in_state=worker.ended_in.value,
            served_seconds=worker.ready_for_seconds,
            in_flight=beat.in_flight if beat is not None else 0,
            queue_depth=beat.queue_depth if beat is not None else 0,
            running=beat.running if beat is not None else "",
            last_lines=tuple(worker.process.last_lines),
        )
        self.report.notice("worker_crashed", f"pid {worker.pid}: {end.cause}")
        self._hooks.crashed(crash)

    def _raise(self, kind: str, english: str, chinese: str) -> None:
        self.report.notice(kind, english)
        self._hooks.raised(kind, english, chinese)

    def _clear(self, kind: str, english: str, chinese: str) -> None:
        self.report.notice(f"{kind} over", english)
        self._hooks.cleared(kind, english, chinese)

    def _fail(self, worker: Worker, end: End, status: int, ready_for: float | None) -> None:
        """A worker ended that should not have: a spare takes over, or there is a pause."""
        now = time.monotonic()
        self._count(worker, end, status)
        policy = RestartPolicy.of(self._settings.supervisor)
        self._failures = policy.remembered(self._failures, now, ready_for)
        pause = policy.pause(self._failures, self._random)
        if end.kind is ExitKind.CONFIGURATION:
            # Quick tries change nothing: only the operator does.
            pause = Pause(policy.crash_loop_pause_seconds, is_crash_loop=True)
        if pause.is_crash_loop and not self.report.is_crash_looping:
            log.error("crash_loop_entered", failures=len(self._failures), cause=end.cause)
            self._raise(
                "crash_loop",
                f"{len(self._failures)} workers in a row have ended, the last one: {end.cause}. "
                "Tries go on slowly.",
                f"识别进程已连续退出 {len(self._failures)} 次，最近一次：{end.cause}。"
                "将以较慢的节奏继续重试。",
            )
        self.report.is_crash_looping = pause.is_crash_loop
        if self._group.spare.is_warm and not pause.is_crash_loop:
            # A spare takes longer to make than any first pause: it cannot loop fast.
            self._start(end.cause)
            return
        self._fallback.open("crash_looping" if pause.is_crash_loop else "restarting")
        self._restart_at = now + pause.seconds
        log.info(
            "restart_due",
            state=self._state().value,
            cause=end.cause,
            pause_seconds=round(pause.seconds, 2),
            failures=len(self._failures),
        )

    # -- what the daemon asks ---------------------------------------------------------------

    def _on_stop(self, cause: str) -> None:
        front = self._group.front
        if self._stop_cause is None and front is not None and front.state is WorkerState.SERVING:
            seconds = self._settings.server.drain_notice_seconds
            if self._notice.give(cause, seconds):
                log.info("stop_announced", cause=cause, seconds=seconds, worker_pid=front.pid)
                front.retire()
                return
        # Asked again: whoever asks does not want to wait.
        self._notice.take()
        self._stop(cause)

    def _stop(self, cause: str) -> None:
        front = self._group.front
        if self._stop_cause is not None:
            # Asked twice: whoever asks does not want to wait for the drain.
            for worker in (front, *self._group.leaving):
                if worker is not None:
                    worker.terminate(End(ExitKind.STOPPED, f"{cause}, asked again"))
            return
        self._stop_cause = cause
        self._restart_at = None
        self._group.dismiss_others(cause)
        if front is not None and front.state is WorkerState.SERVING:
            front.drain(cause)
        elif front is not None and front.state is WorkerState.STARTING:
            front.terminate(End(ExitKind.STOPPED, cause))
        # Draining and stopping go on; their end ends the service now.
        if self._listener.is_from_systemd:
            # systemd keeps the socket: what arrives now waits there for the next start.
            self._fallback.close()
        else:
            self._fallback.open("stopping")
        self._changed()

    def _on_replace(self, settings: Settings, cause: str, may_overlap: bool) -> None:
        """Another worker is to take over, without a failed request."""
        if self._stop_cause is not None or self._notice.is_given:
            return
        # Also one that loads with settings that were new a moment ago; a spare that was made with
        # the very same settings is just what is needed.
        self._group.dismiss_others(cause, keep_spare_for=settings)
        front, in_use, self._settings = self._group.front, self._settings, settings
        if front is None:
            self._start(cause)
            self._rollover.forget()
        elif self._rollover.begin(front, settings, in_use, cause, may_overlap=may_overlap):
            self._away_since = time.monotonic()
        self._changed()

    def _on_apply(self, settings: Settings, keys: tuple[str, ...]) -> None:
        """Settings that take effect at once."""
        self._settings = settings
        self._rollover.applied(settings)
        changed = changes.values(settings, keys)
        for worker in self._group:
            worker.apply(changed)

    # -- actions ----------------------------------------------------------------------------

    def _start(self, cause: str) -> None:
        """A worker is to serve: the spare, or a new process."""
        self._fallback.open("restarting" if self.report.has_served else "starting")
        self._restart_at = None
        self._group.front = self._group.enlist(self._settings, cause)
        self._changed()

    def release_gpu_cache(self) -> None:
        """Ask the worker in front to give cached GPU memory back."""
        if self._group.front is not None:
            self._group.front.process.send(protocol.ReleaseGpuCache())

    def blame(self, pid: int) -> None:
        """A worker of any replica ended by its own fault: those that come are told, and the one
        that serves."""
        self._blamed_pids = [*self._blamed_pids, pid][-_BLAMED_KEPT:]
        front = self._group.front
        if front is not None and front.state is WorkerState.SERVING:
            front.process.send(protocol.Blame(pid))

    @property
    def slot(self) -> str | None:
        """Of the worker that serves; None when none does."""
        front = self._group.front
        return front.process.slot if front is not None and self._group.is_serving else None

    def pids(self) -> frozenset[int]:
        """Of all workers there are."""
        return frozenset(worker.pid for worker in self._group)

    def reopen_logs(self) -> None:
        """Tell the workers that their log file was moved away."""
        for worker in self._group:
            worker.process.send(protocol.ReopenLogs())

    def seconds_until_deadline(self) -> float | None:
        """How long the present state may still last; None when it has no limit."""
        if self._group.front is not None:
            return self._group.front.seconds_until_deadline()
        return None if self._restart_at is None else max(0.0, self._restart_at - time.monotonic())

    def retry_after_seconds(self) -> int:
        """When a client that is turned away now may find a worker: measured, not guessed."""
        front = self._group.front
        if front is not None and front.state is WorkerState.STARTING:
            elapsed = time.monotonic() - front.asked_at
            return max(1, round(self._start_seconds[front.was_spare] - elapsed))
        pause = self.seconds_until_deadline() or 0.0
        return max(1, round(self._start_seconds[False] + pause))

    # -- telling ----------------------------------------------------------------------------

    def _state(self) -> ServiceState:
        front = self._group.front.state if self._group.front is not None else None
        return service_state(front, self._restart_at is not None, self.report.is_crash_looping)

    def _changed(self) -> None:
        """Bring the report up to date, and tell."""
        report, front = self.report, self._group.front
        state = self._state()
        pid = front.pid if front is not None else None
        if (state, pid) != (report.state, report.pid):
            report.state, report.pid, report.since = state, pid, time.time()
            report.beat = report.beat_at = None
        self._group.describe(report)
        self._hooks.changed()
