"""The worker's life as a state machine: start, hand over, drain, stop, restart.

One loop takes one event at a time (`run`), gives it to the handler of its kind, and looks at the
deadline of the state it is in. Handlers never wait. Called by `daemon.py`; the arithmetic of
pauses is in `restart.py`, the process itself in `worker_process.py`.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from seacod import protocol
from seacod.config.schema import Settings
from seacod.supervisor.events import (
    Event,
    EventQueue,
    Exited,
    Garbled,
    Probed,
    Received,
    ReplaceRequested,
    StopRequested,
)
from seacod.supervisor.exits import End, ExitKind, MemoryKills, classify
from seacod.supervisor.frontdoor import FrontDoor
from seacod.supervisor.listener import Listener
from seacod.supervisor.liveness import Ailment, Limits, Seen, Vitals, judge
from seacod.supervisor.restart import Pause, RestartPolicy
from seacod.supervisor.states import PAUSED, TRANSITIONS, WorkerState
from seacod.supervisor.worker_process import WORKER_COMMAND, WorkerProcess

log = structlog.get_logger(__name__)

# How often deadlines are looked at when nothing happens.
TICK_SECONDS = 1.0
# What a start takes when none has been measured yet: importing torch, funasr and gradio.
_FIRST_START_ESTIMATE_SECONDS = 25.0
# A drained worker has this long to end by itself after its own drain time-out.
_DRAIN_GRACE_SECONDS = 2.0
# A start that ends so before anything was ever served ends the service, too: trying again changes
# nothing (configuration), or is systemd's to do (model not to be had).
_FATAL_AT_FIRST_START = (ExitKind.CONFIGURATION, ExitKind.MODEL)
# A hung worker has this long between its stack dump with TERM, and KILL.
_HUNG_GRACE_SECONDS = 2.0


@dataclass(slots=True)
class Report:
    """What is known about the worker now; read by status, metrics and sd_notify."""

    state: WorkerState = WorkerState.ABSENT
    since: float = field(default_factory=time.time)
    pid: int | None = None
    stage: str = ""
    model: str = ""
    device: str = ""
    beat: protocol.Beat | None = None
    restarts: int = 0
    last_causes: list[str] = field(default_factory=list)
    has_served: bool = False
    is_crash_looping: bool = False
    last_away_seconds: float | None = None
    total_away_seconds: float = 0.0


class Lifecycle:
    """Owns the worker process; nobody else starts, signals or reaps it.

    Args:
        listener: the listening socket, handed on to each worker.
        settings: what the first worker uses.
        front_door: opened whenever no worker serves.
        on_change: called after each change of state or stage.
        on_restart: called each time a worker ended that was not asked to.
        worker_command: what a worker is; see `WorkerProcess`.
    """

    def __init__(
        self,
        listener: Listener,
        settings: Settings,
        front_door: FrontDoor,
        *,
        on_change: Callable[[], None],
        on_restart: Callable[[End], None],
        worker_command: Sequence[str] = WORKER_COMMAND,
        random_: random.Random | None = None,
    ) -> None:
        self.report = Report()
        self.events = EventQueue()
        self.fatal_exit_code: int | None = None
        self.fatal_message = ""
        self._listener = listener
        self._settings = settings
        self._front_door = front_door
        self._on_change = on_change
        self._on_restart = on_restart
        self._worker_command = worker_command
        self._random = random_ or random.Random()
        self._process: WorkerProcess | None = None
        self._deadline: float | None = None
        self._failures: tuple[float, ...] = ()
        self._memory_kills = MemoryKills()
        self._vitals = Vitals(time.monotonic)
        self._ready_at: float | None = None
        self._away_since: float | None = None
        self._start_seconds = _FIRST_START_ESTIMATE_SECONDS
        self._last_fault: protocol.Fault | None = None
        self._stop_cause: str | None = None
        self._replace_cause: str | None = None
        # Set when we end the worker ourselves: why.
        self._our_end: End | None = None
        self._was_killed = False

    # -- the loop ---------------------------------------------------------------------------

    async def run(self, touch: Callable[[], None]) -> None:
        """Keep a worker alive until a stop was asked for and is done, or a fatal start.

        Args:
            touch: called each time round, as proof of life.
        """
        try:
            self._start("service started")
            while self.report.state is not WorkerState.ABSENT:
                remaining = self.seconds_until_deadline()
                wait = TICK_SECONDS if remaining is None else min(TICK_SECONDS, remaining)
                event = await self.events.next(wait)
                touch()
                self._handle(event)
                self._check_deadline()
                self._check_liveness()
        finally:
            if self._process is not None:
                self._process.kill()
                self._process.close()

    def _handle(self, event: Event) -> None:
        if isinstance(event, (Received, Garbled, Exited)) and event.pid != self.report.pid:
            return  # from a worker that is already forgotten
        if isinstance(event, Received):
            self._on_message(event.message)
        elif isinstance(event, Exited):
            self._on_exited(event.status)
        elif isinstance(event, Garbled):
            log.warning("worker_sent_garbage", worker_pid=event.pid, problem=event.problem)
        elif isinstance(event, StopRequested):
            self._on_stop(event.cause)
        elif isinstance(event, ReplaceRequested):
            self._on_replace(event.settings, event.cause)
        elif isinstance(event, Probed) and self.report.state is WorkerState.SERVING:
            self._vitals.probed(event.problem)

    def _check_deadline(self) -> None:
        if self._deadline is None or time.monotonic() < self._deadline:
            return
        state = self.report.state
        if state in PAUSED:
            self._start("back-off over")
        elif state is WorkerState.STARTING:
            late = "not ready within worker.startup_timeout_seconds"
            self._terminate(End(ExitKind.NEVER_READY, late))
        elif state is WorkerState.DRAINING:
            self._terminate(End(ExitKind.STOPPED, "did not end after its drain time-out"))
        elif state is WorkerState.STOPPING and self._process is not None:
            log.warning("worker_killed", worker_pid=self._process.pid, cause="did not end on TERM")
            self._was_killed = True
            self._deadline = None
            self._process.kill()

    # -- liveness ---------------------------------------------------------------------------

    def _check_liveness(self) -> None:
        self._vitals.notice_own_pause()
        if self.report.state is not WorkerState.SERVING:
            return
        self._notice_stability(time.monotonic())
        supervisor = self._settings.supervisor
        limits = Limits(
            supervisor.beat_timeout_seconds,
            supervisor.progress_timeout_seconds,
            supervisor.probe_failures,
        )
        seen = self._vitals.seen()
        ailment = judge(seen, limits)
        if ailment is not None:
            self._give_up_on(ailment, seen)

    def _give_up_on(self, ailment: Ailment, seen: Seen) -> None:
        """First the evidence, then TERM, then KILL."""
        assert self._process is not None
        log.error(
            "worker_hung",
            worker_pid=self._process.pid,
            cause=ailment.value,
            beat_age_seconds=round(seen.beat_age_seconds, 1),
            progress_age_seconds=round(seen.progress_age_seconds, 1),
            failed_probes=seen.failed_probes,
            hint="the stacks of all its threads follow",
        )
        self._process.signal(signal.SIGUSR2)
        self._terminate(End(ExitKind.HUNG, ailment.value), _HUNG_GRACE_SECONDS)

    def _notice_stability(self, now: float) -> None:
        """A worker that is ready for long enough leads out of a crash loop."""
        if self._ready_at is None or not self._failures:
            return
        if now - self._ready_at >= self._settings.supervisor.stable_seconds:
            self._failures = ()
            if self.report.is_crash_looping:
                self.report.is_crash_looping = False
                log.info("crash_loop_left", worker_pid=self.report.pid)

    # -- what the worker says ---------------------------------------------------------------

    def _on_message(self, message: protocol.FromWorker) -> None:
        if isinstance(message, protocol.Beat):
            self.report.beat = message
            self._vitals.beat(message)
        elif isinstance(message, protocol.Stage):
            self._on_stage(message)
        elif isinstance(message, protocol.Ready):
            self._on_ready(message)
        elif isinstance(message, protocol.Fault):
            self._last_fault = message
            log.error("worker_reported_fault", kind=message.kind, text=message.message)
        elif isinstance(message, protocol.Drained):
            log.info("worker_drained", finished=message.finished, abandoned=message.abandoned)

    def _on_stage(self, message: protocol.Stage) -> None:
        if self.report.state is not WorkerState.STARTING:
            return
        self.report.stage = message.text
        if message.extend_seconds > 0 and self._deadline is not None:
            self._deadline = max(self._deadline, time.monotonic() + message.extend_seconds)
        self._on_change()

    def _on_ready(self, message: protocol.Ready) -> None:
        if self.report.state is not WorkerState.STARTING or self._process is None:
            return
        now = time.monotonic()
        self._start_seconds = now - self._process.started_at
        self.report.model, self.report.device = message.model, message.device
        # Order matters: the supervisor lets go before the worker takes over. What arrives in
        # between waits in the kernel's queue.
        self._front_door.close()
        self._process.send(protocol.Serve())
        self._ready_at = now
        self._vitals.begin()
        away = now - self._away_since if self._away_since is not None else None
        self._away_since = None
        self.report.stage = ""
        if away is not None:
            self.report.last_away_seconds = away
            self.report.total_away_seconds += away
        self.report.has_served = True
        self._deadline = None
        self._move(
            WorkerState.SERVING,
            "the model answers",
            start_seconds=round(self._start_seconds, 2),
            away_seconds=None if away is None else round(away, 2),
        )

    # -- ends -------------------------------------------------------------------------------

    def _on_exited(self, status: int) -> None:
        process = self._process
        assert process is not None
        state, fault = self.report.state, self._last_fault
        ready_for = time.monotonic() - self._ready_at if self._ready_at is not None else None
        process.close()
        self._process = None
        self.report.pid, self.report.beat, self.report.stage = None, None, ""
        self._ready_at = None
        asked_to_end = state in (WorkerState.DRAINING, WorkerState.STOPPING)
        # Asked at every end, ours too: otherwise a kill now would be blamed on the next one.
        is_out_of_memory = self._memory_kills.happened()
        end = self._our_end or classify(status, is_out_of_memory=is_out_of_memory)
        self._our_end, self._last_fault = None, None
        has_reason = self._stop_cause is not None or self._replace_cause is not None
        self._log_exit(process, status, state, end, is_wanted=asked_to_end and has_reason)

        if self._stop_cause is not None:
            self._go_absent(self._stop_cause)
        elif asked_to_end and self._replace_cause is not None:
            self._start(self._replace_cause)
        elif not self.report.has_served and end.kind in _FATAL_AT_FIRST_START:
            self.fatal_exit_code = status
            self.fatal_message = fault.message if fault is not None else end.cause
            self._go_absent(self.fatal_message)
        else:
            self._back_off(end, ready_for)

    def _back_off(self, end: End, ready_for: float | None) -> None:
        now = time.monotonic()
        if self._away_since is None and self.report.has_served:
            self._away_since = now
        self.report.restarts += 1
        self.report.last_causes = [*self.report.last_causes, end.cause][-10:]
        policy = self._restart_policy()
        self._failures = policy.remembered(self._failures, now, ready_for)
        pause = policy.pause(self._failures, self._random)
        if end.kind is ExitKind.CONFIGURATION:
            # Quick tries change nothing: only the operator does.
            pause = Pause(policy.crash_loop_pause_seconds, is_crash_loop=True)
        self._deadline = now + pause.seconds
        self._on_restart(end)
        if pause.is_crash_loop and not self.report.is_crash_looping:
            log.error("crash_loop_entered", failures=len(self._failures), cause=end.cause)
        self.report.is_crash_looping = pause.is_crash_loop
        self._front_door.open("crash_looping" if pause.is_crash_loop else "restarting")
        self._move(
            WorkerState.CRASH_LOOPING if pause.is_crash_loop else WorkerState.BACKING_OFF,
            end.cause,
            pause_seconds=round(pause.seconds, 2),
            failures=len(self._failures),
        )

    def _restart_policy(self) -> RestartPolicy:
        supervisor = self._settings.supervisor
        return RestartPolicy(
            supervisor.backoff_initial_seconds,
            supervisor.backoff_max_seconds,
            supervisor.stable_seconds,
            supervisor.crash_loop_failures,
            supervisor.crash_loop_window_seconds,
            supervisor.crash_loop_pause_seconds,
        )

    def _go_absent(self, cause: str) -> None:
        self._deadline = None
        self._move(WorkerState.ABSENT, cause)

    def _log_exit(
        self, process: WorkerProcess, status: int, state: WorkerState, end: End, is_wanted: bool
    ) -> None:
        if is_wanted and not self._was_killed:
            log.info("worker_exited", worker_pid=process.pid, status=status, cause=end.cause)
        else:
            log.error(
                "worker_exited",
                worker_pid=process.pid,
                status=status,
                cause=end.cause,
                kind=end.kind.value,
                in_state=state.value,
                last_lines=list(process.last_lines)[-20:],
            )
        self._was_killed = False

    # -- what the daemon asks ---------------------------------------------------------------

    def _on_stop(self, cause: str) -> None:
        if self._stop_cause is not None:
            # Asked twice: whoever asks does not want to wait for the drain.
            if self._process is not None and self.report.state is not WorkerState.STOPPING:
                self._terminate(End(ExitKind.STOPPED, f"{cause}, asked again"))
            return
        self._stop_cause = cause
        state = self.report.state
        if state is WorkerState.SERVING:
            self._drain(cause)
        elif state is WorkerState.STARTING:
            self._terminate(End(ExitKind.STOPPED, cause))
        elif state in PAUSED:
            self._go_absent(cause)
        # Draining and stopping go on; their exit ends the service now.
        if self._listener.is_from_systemd:
            # systemd keeps the socket: what arrives now waits there for the next start.
            self._front_door.close()
        else:
            self._front_door.open("stopping")

    def _on_replace(self, settings: Settings, cause: str) -> None:
        self._settings = settings
        state = self.report.state
        if self._stop_cause is not None:
            return
        self._replace_cause = cause
        if state is WorkerState.SERVING:
            self._away_since = time.monotonic()
            self._drain(cause)
            self._front_door.open("replacing")
        elif state is WorkerState.STARTING:
            self._terminate(End(ExitKind.STOPPED, cause))
        elif state in PAUSED:
            self._start(cause)

    # -- actions ----------------------------------------------------------------------------

    def _start(self, cause: str) -> None:
        self._front_door.open("restarting" if self.report.has_served else "starting")
        self._replace_cause = None
        self._process = WorkerProcess(
            self._listener.socket, self._settings, self.events, self._worker_command
        )
        self.report.pid = self._process.pid
        self._deadline = time.monotonic() + self._settings.worker.startup_timeout_seconds
        self._move(WorkerState.STARTING, cause)

    def _drain(self, cause: str) -> None:
        assert self._process is not None
        timeout = self._settings.worker.drain_timeout_seconds
        self._process.send(protocol.Drain(timeout))
        self._deadline = time.monotonic() + timeout + _DRAIN_GRACE_SECONDS
        self._move(WorkerState.DRAINING, cause)

    def _terminate(self, end: End, grace_seconds: float | None = None) -> None:
        """TERM now, KILL after `grace_seconds` (worker.stop_timeout_seconds by default)."""
        assert self._process is not None
        if grace_seconds is None:
            grace_seconds = self._settings.worker.stop_timeout_seconds
        self._our_end = end
        self._process.signal(signal.SIGTERM)
        self._deadline = time.monotonic() + grace_seconds
        self._move(WorkerState.STOPPING, end.cause)

    def reopen_logs(self) -> None:
        """Tell the worker that its log file was moved away."""
        if self._process is not None:
            self._process.send(protocol.ReopenLogs())

    def seconds_until_deadline(self) -> float | None:
        """How long the present state may still last; None when it has no limit."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def retry_after_seconds(self) -> int:
        """When a client that is turned away now may find a worker: measured, not guessed."""
        if self.report.state is WorkerState.STARTING and self._process is not None:
            elapsed = time.monotonic() - self._process.started_at
            return max(1, round(self._start_seconds - elapsed))
        pause = self.seconds_until_deadline() or 0.0
        return max(1, round(self._start_seconds + pause))

    def _move(self, to: WorkerState, cause: str, **facts: object) -> None:
        old = self.report.state
        if to not in TRANSITIONS[old]:
            raise AssertionError(f"worker state {old.value} cannot become {to.value} ({cause})")
        self.report.state, self.report.since = to, time.time()
        log.info(
            "worker_state_changed",
            old=old.value,
            new=to.value,
            cause=cause,
            worker_pid=self.report.pid,
            **facts,
        )
        self._on_change()
