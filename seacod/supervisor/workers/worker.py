"""One worker as the supervisor knows it: its state, its deadline, its signs of life.

Several may live at once: the one in front, a replacement that loads, an old one that drains.
`lifecycle.py` decides what each is for; here is what one can do, and the only code that moves
between the states of `states.py`. The process itself is in `process.py`.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import structlog

from seacod import protocol
from seacod.config.changes import with_values
from seacod.config.schema import Settings
from seacod.config.supervisor import SupervisorSettings
from seacod.supervisor.clock import Clock, Moment
from seacod.supervisor.crash import Crash
from seacod.supervisor.workers.exits import End, ExitKind, stopped
from seacod.supervisor.workers.host import Process
from seacod.supervisor.workers.liveness import Ailment, Seen, Vitals, judge
from seacod.supervisor.workers.states import TRANSITIONS, WorkerState
from seacod.system.text.words import NOTHING, Words

log = structlog.get_logger(__name__)

# A drained worker has this long to end by itself after its own drain time-out.
_DRAIN_GRACE_SECONDS = 2.0
# A hung worker has this long between its stack dump with TERM, and KILL.
_HUNG_GRACE_SECONDS = 2.0
# The kernel ends whom it can at once; whoever is there so long after KILL is held by it.
_KILLED_GRACE_SECONDS = 5.0
# How often the log has how far one step of a start is.
_STAGE_SECONDS = 30.0


class Worker:
    """One worker process.

    Args:
        process: wanted just now; it is forked in a moment.
        settings: what it was started with.
        cause: why it was started.
        clock: tells the time.
        on_change: called after each change of state or stage.
    """

    def __init__(
        self,
        process: Process,
        settings: Settings,
        cause: str,
        clock: Clock,
        on_change: Callable[[], None],
    ) -> None:
        self._clock = clock
        self.process = process
        self.settings = settings
        self.state = WorkerState.STARTING
        self._began = Moment(clock)
        self.stage: Words = NOTHING
        self._stage_logged_at = 0.0
        self.model = ""
        self.device = ""
        self.beat: protocol.Beat | None = None
        self.fault: protocol.Fault | None = None
        self.ready_at: float | None = None
        self.wanted_at = clock.monotonic()
        self.forked_at: float | None = None
        self.our_end: End | None = None
        # On the monotonic clock, when one that is hung was last seen to be well.
        self.unwell_since: float | None = None
        self.was_killed = False
        self.ended_in = self.state
        self._cause = cause
        self.vitals = Vitals(clock.monotonic)
        self._on_change = on_change
        self._deadline: float | None = (
            self._clock.monotonic() + settings.worker.startup_timeout_seconds
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def since(self) -> float:
        """Since when it is in its state, in Unix seconds."""
        return self._began.unix_seconds

    @property
    def was_asked_to_end(self) -> bool:
        return self.state in (WorkerState.DRAINING, WorkerState.STOPPING, WorkerState.STUCK)

    @property
    def ready_for_seconds(self) -> float | None:
        """How long it has been ready to serve; None if it never was."""
        return None if self.ready_at is None else self._clock.monotonic() - self.ready_at

    def seconds_until_deadline(self) -> float | None:
        """How long the present state may still last; None when it has no limit."""
        return (
            None if self._deadline is None else max(0.0, self._deadline - self._clock.monotonic())
        )

    # -- what it says -----------------------------------------------------------------------

    def hear(self, message: protocol.FromWorker) -> None:
        """Take in a message; whether it may serve (`Ready`) is decided by `lifecycle.py`."""
        if isinstance(message, protocol.Beat):
            self.beat = message
            self.vitals.beat(message)
        elif isinstance(message, protocol.Stage):
            self._on_stage(message)
        elif isinstance(message, protocol.Fault) and message.is_over:
            log.debug("worker_reported_end_of_fault", worker_pid=self.pid, kind=message.kind)
        elif isinstance(message, protocol.Fault):
            self.fault = message
            log.error(
                "worker_reported_fault", worker_pid=self.pid, kind=message.kind,
                text=message.message,
            )  # fmt: skip
        elif isinstance(message, protocol.Drained):
            log.info(
                "worker_drained", worker_pid=self.pid, finished=message.finished,
                abandoned=message.abandoned,
            )  # fmt: skip

    def _on_stage(self, message: protocol.Stage) -> None:
        if self.state is not WorkerState.STARTING:
            return
        self._log_stage(message.text)
        self.stage = message.text, message.chinese
        if message.extend_seconds > 0 and self._deadline is not None:
            self._deadline = max(self._deadline, self._clock.monotonic() + message.extend_seconds)
        self._on_change()

    def _log_stage(self, text: str) -> None:
        """Each step in the journal, of a download the figures twice a minute."""
        now, step = self._clock.monotonic(), text.partition(":")[0]
        if step != self.stage[0].partition(":")[0] or now - self._stage_logged_at >= _STAGE_SECONDS:
            self._stage_logged_at = now
            waited = round(now - self.wanted_at, 1)
            log.info("worker_is_starting", stage=text, seconds=waited)

    def forked(self) -> None:
        """It has its pid."""
        self.forked_at = self._clock.monotonic()
        self.stage = NOTHING
        log.info("worker_started", worker_pid=self.pid, state=self.state.value, cause=self._cause)
        self._on_change()

    # -- what is done with it ---------------------------------------------------------------

    def serve(self, message: protocol.Ready, blamed_pids: list[int]) -> float:
        """Its model has transcribed a recording where it works: it may accept.

        Args:
            message: what it said of itself.
            blamed_pids: workers before it that ended by their own fault.

        Returns:
            Seconds since it was forked.
        """
        now = self._clock.monotonic()
        self.model, self.device = message.model, message.device
        self.process.send(protocol.Serve(blamed_pids))
        self.ready_at = now
        self.vitals.begin()
        self.stage = NOTHING
        self._deadline = None
        took = now - (self.forked_at or self.wanted_at)
        self._move(WorkerState.SERVING, "the model answers", start_seconds=round(took, 2))
        return took

    def retire(self) -> None:
        """It goes on serving, and says that it will not for long."""
        self.process.send(protocol.Retire())

    def drain(self, cause: str) -> None:
        """It accepts nothing more, finishes what it has, and ends."""
        timeout = self.settings.worker.drain_timeout_seconds
        self.process.send(protocol.DrainMessage(timeout))
        self._deadline = self._clock.monotonic() + timeout + _DRAIN_GRACE_SECONDS
        self._move(WorkerState.DRAINING, cause)

    def terminate(self, end: End, grace_seconds: float | None = None) -> None:
        """TERM now, KILL after `grace_seconds` (worker.stop_timeout_seconds by default)."""
        if self.state in (WorkerState.STOPPING, WorkerState.STUCK, WorkerState.ENDED):
            return
        if grace_seconds is None:
            grace_seconds = self.settings.worker.stop_timeout_seconds
        self.our_end = end
        self.process.signal(signal.SIGTERM)
        self._deadline = self._clock.monotonic() + grace_seconds
        self._move(WorkerState.STOPPING, end.cause)

    def apply(self, changed: dict[str, Any]) -> None:
        """Settings, by dotted key, that take effect in the running process."""
        before, self.settings = self.settings, with_values(self.settings, changed)
        if self._deadline is not None and self.state is WorkerState.STARTING:
            self._deadline += (
                self.settings.worker.startup_timeout_seconds - before.worker.startup_timeout_seconds
            )
        self.process.send(protocol.Reload(changed))

    def dismiss(self, cause: str) -> None:
        """End one that promised nothing to anybody."""
        self.terminate(stopped(cause), _HUNG_GRACE_SECONDS)

    def end_in_words(self, end: End) -> Words:
        """Why it ended: in its own words where it had some."""
        if self.fault is not None:
            return self.fault.message, self.fault.chinese or self.fault.message
        return end.words

    def give_up(self, ailment: Ailment, seen: Seen) -> None:
        """First the evidence, then TERM, then KILL."""
        log.error(
            "worker_hung",
            worker_pid=self.pid,
            cause=ailment.value[0],
            beat_age_seconds=round(seen.beat_age_seconds, 1),
            progress_age_seconds=round(seen.progress_age_seconds, 1),
            failed_probes=seen.failed_probes,
            hint="the stacks of all its threads follow",
        )
        self.unwell_since = self._clock.monotonic() - seen.owed_seconds(ailment)
        self.process.signal(signal.SIGUSR2)
        self.terminate(End(ExitKind.HUNG, ailment.value), _HUNG_GRACE_SECONDS)

    def ailment(self, settings: SupervisorSettings) -> tuple[Ailment, Seen] | None:
        """What is wrong with it now, if anything. Only one that serves owes something."""
        if self.state is not WorkerState.SERVING:
            return None
        seen = self.vitals.seen()
        found = judge(seen, settings)
        return None if found is None else (found, seen)

    def check_deadline(self) -> bool:
        """Act when the present state has lasted too long.

        Returns:
            Whether it turned out just now that nothing ends it.
        """
        if self._deadline is None or self._clock.monotonic() < self._deadline:
            return False
        if self.state is WorkerState.STARTING:
            late = "worker.startup_timeout_seconds"
            words = f"not ready within {late}", f"未能在 {late} 内就绪"
            self.terminate(End(ExitKind.NEVER_READY, words))
        elif self.state is WorkerState.DRAINING:
            words = "did not end after its drain time-out", "排空超时后仍未退出"
            self.terminate(End(ExitKind.STOPPED, words))
        elif self.state is WorkerState.STOPPING and not self.was_killed:
            log.warning("worker_killed", worker_pid=self.pid, cause="did not end on TERM")
            self.was_killed = True
            self._deadline = self._clock.monotonic() + _KILLED_GRACE_SECONDS
            self.process.kill()
        elif self.state is WorkerState.STOPPING:
            self._deadline = None
            log.error(
                "worker_cannot_be_ended",
                worker_pid=self.pid,
                hint="the kernel holds it: cat /proc/PID/stack, dmesg",
            )
            self._move(WorkerState.STUCK, "does not end on KILL")
            self.ended_in = self.state
            return True
        return False

    def ended(self, end: End, status: int, *, is_wanted: bool) -> None:
        """It was reaped: log how it ended, with its last words unless it was wanted."""
        in_state = self.ended_in = self.state
        self._deadline = None
        self.process.close()
        if is_wanted and not self.was_killed:
            log.info("worker_exited", worker_pid=self.pid, status=status, cause=end.cause)
        else:
            log.error(
                "worker_exited",
                worker_pid=self.pid,
                status=status,
                cause=end.cause,
                kind=end.kind.value,
                in_state=in_state.value,
                last_lines=list(self.process.last_lines),
            )
        self._move(WorkerState.ENDED, end.cause)

    def crash(self, end: End, status: int) -> Crash:
        """What is known of its end, for the dossier."""
        beat = self.beat
        return Crash(
            at=self._clock.time(),
            pid=self.pid,
            words=end.words,
            kind=end.kind.value,
            status=status,
            in_state=self.ended_in.value,
            served_seconds=self.ready_for_seconds,
            in_flight=beat.in_flight if beat is not None else 0,
            queue_depth=beat.queue_depth if beat is not None else 0,
            running=beat.running if beat is not None else "",
            last_lines=tuple(self.process.last_lines),
        )

    def _move(self, to: WorkerState, cause: str, **facts: object) -> None:
        old = self.state
        if to not in TRANSITIONS[old]:
            raise AssertionError(f"a worker that is {old.value} cannot become {to.value} ({cause})")
        self.state, self._began = to, Moment(self._clock)
        log.info(
            "worker_state_changed",
            old=old.value,
            new=to.value,
            cause=cause,
            worker_pid=self.pid,
            **facts,
        )
        self._on_change()
