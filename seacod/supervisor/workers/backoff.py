"""When a replica's next start is due after its worker ended, and whether it is in a crash loop.

Called by `lifecycle.py`; the arithmetic of the pauses is in `restart.py`.
"""

from __future__ import annotations

import structlog

from seacod.config.supervisor import SupervisorSettings
from seacod.supervisor.workers.exits import End, ExitKind
from seacod.supervisor.workers.host import Host
from seacod.supervisor.workers.report import Report
from seacod.supervisor.workers.restart import Failures, RestartPause, RestartPolicy
from seacod.supervisor.workers.states import ServiceState
from seacod.supervisor.workers.telling import Telling

log = structlog.get_logger(__name__)


class Backoff:
    """Remembers the failures in a row.

    Args:
        host: clock and chance.
        report: where a crash loop is written down.
        telling: who hears of a crash loop.
    """

    def __init__(self, host: Host, report: Report, telling: Telling) -> None:
        self._clock = host.clock
        self._random = host.random
        self._report = report
        self._telling = telling
        self._due_at: float | None = None
        self._failures = Failures()
        self._is_storm = False
        # Whether word went out that all is well: a supervisor before this one may have told of a
        # crash loop, and what is not open is cleared silently.
        self._is_known_well = False

    @property
    def is_waiting(self) -> bool:
        """Whether a start is due at a known time."""
        return self._due_at is not None

    def seconds_left(self) -> float | None:
        """Until the next start; None when none is due."""
        return None if self._due_at is None else max(0.0, self._due_at - self._clock.monotonic())

    def wait(self, pause: RestartPause, cause: str) -> None:
        """The next start is due after this pause."""
        self._due_at = self._clock.monotonic() + pause.seconds
        state = ServiceState.CRASH_LOOPING if pause.is_crash_loop else ServiceState.BACKING_OFF
        log.info(
            "restart_due",
            state=state.value,
            cause=cause,
            pause_seconds=round(pause.seconds, 2),
            never_served=len(self._failures.never_served),
            had_served=len(self._failures.had_served),
        )

    def clear(self) -> None:
        """No start is due: a worker starts, or none is wanted."""
        self._due_at = None

    def failed(
        self, end: End, ready_for: float | None, settings: SupervisorSettings
    ) -> RestartPause:
        """A worker ended that should not have.

        Args:
            end: how.
            ready_for: seconds it had been ready; None if it never was.
            settings: how pauses grow.

        Returns:
            The pause before the next start.
        """
        policy = RestartPolicy(settings)
        self._failures = policy.after(self._failures, self._clock.monotonic(), ready_for)
        pause = policy.pause(self._failures, self._random)
        if end.kind is ExitKind.CONFIGURATION:
            # Quick tries change nothing: only the operator does.
            pause = RestartPause(settings.crash_loop_pause_seconds, is_crash_loop=True)
        if pause.is_crash_loop and not self._report.is_crash_looping:
            count = len(self._failures.never_served)
            log.error("crash_loop_entered", failures=count, cause=end.cause)
            self._telling.raised(
                "crash_loop",
                f"{count} workers in a row have ended before they served, the last one: "
                f"{end.cause}. Tries go on slowly.",
                f"识别进程连续 {count} 次未能启动，最近一次：{end.words[1]}。"
                "将以较慢的节奏继续重试。",
            )
        self._report.is_crash_looping |= pause.is_crash_loop
        if not self._is_storm and policy.is_storm(self._failures):
            self._is_storm = True
            count = len(self._failures.had_served)
            log.error("crash_storm_began", ends=count, cause=end.cause)
            self._telling.raised(
                "crash_storm",
                f"{count} workers that had served have ended one after the other, the last one: "
                f"{end.cause}. Each is replaced at once; see which recordings were with them.",
                f"已有 {count} 个正常服务的识别进程相继退出，最近一次：{end.words[1]}。"
                "每次都会立即恢复；请查看退出时正在处理的录音。",
            )
        return pause

    def is_serving(self, ready_for: float | None, settings: SupervisorSettings) -> None:
        """A worker that is ready for long enough starts everything anew and leads out of a crash
        loop.

        Args:
            ready_for: seconds the worker in front has been ready; None without one.
            settings: how long is enough.
        """
        if ready_for is None or ready_for < settings.stable_seconds:
            return
        self._failures = Failures()
        self._tell_that_all_is_well()
        if self._is_storm:
            self._is_storm = False
            self._telling.cleared(
                "crash_storm", "A worker has been stable.", "识别进程已稳定运行。"
            )
        if self._report.is_crash_looping:
            self._report.is_crash_looping = False
            log.info("crash_loop_left", worker_pid=self._report.pid)
            self._telling.cleared("crash_loop", "A worker has been stable.", "识别进程已稳定运行。")

    def _tell_that_all_is_well(self) -> None:
        """Once, of what this process has not told itself."""
        if self._is_known_well:
            return
        self._is_known_well = True
        ours = {"crash_loop": self._report.is_crash_looping, "crash_storm": self._is_storm}
        for kind, is_ours in ours.items():
            if not is_ours:
                self._telling.is_well(kind, "A worker has been stable.", "识别进程已稳定运行。")
