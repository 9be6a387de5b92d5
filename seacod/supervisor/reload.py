"""A reload from the signal to its outcome, which `seacod reload`, status and systemd wait for."""

from __future__ import annotations

import enum

import structlog

from seacod import logs
from seacod.config.changes import Changes
from seacod.errors import ConfigError
from seacod.supervisor.bus import AlertRaised, Bus, RolloverEnded
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.systemd.notify import Notifier
from seacod.supervisor.workers.replicas import Replicas
from seacod.supervisor.workers.states import ServiceState
from seacod.system.text.words import NOTHING, Words

log = structlog.get_logger(__name__)

_NOTHING = Changes((), (), ())
# Nobody does anything for a reload for so long: it is over.
STUCK_SECONDS = 60.0
_MOVING = (ServiceState.STARTING, ServiceState.DRAINING, ServiceState.STOPPING)
_WAITING = (ServiceState.BACKING_OFF, ServiceState.CRASH_LOOPING)


class ReloadState(enum.Enum):
    NONE = "none"
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"


class Reloader:
    """Carries out reloads, counts them and keeps the last one's outcome.

    Args:
        settings: what is reloaded.
        workers: who is to use the new settings.
        bus: tells when all workers do.
        notifier: tells systemd of beginning and end.
    """

    def __init__(
        self, settings: SettingsHolder, workers: Replicas, bus: Bus, notifier: Notifier
    ) -> None:
        self.number = 0
        self.state = ReloadState.NONE
        self.problem: Words = NOTHING
        self.changed = _NOTHING
        self._stuck_since: float | None = None
        self._settings = settings
        self._workers = workers
        self._bus = bus
        self._notifier = notifier
        bus.subscribe(RolloverEnded, lambda event: self._end(event.problem))

    def reload(self) -> None:
        """Read the settings anew and bring them to the workers."""
        self.number += 1
        self.state, self.problem, self.changed = ReloadState.RUNNING, NOTHING, _NOTHING
        self._notifier.reloading()
        # While the workers wait for the next try, a reload is the operator's "try now".
        is_waiting = self._workers.report.state in _WAITING
        before = self._settings.current
        try:
            self._carry_out(is_waiting=is_waiting)
        except ConfigError as error:
            self._refuse(error.words)
        except Exception as error:
            # Whatever it is, systemd and whoever typed it hear that it is over.
            log.exception("reload_broke")
            self._settings.return_to(before)
            said = f"{type(error).__name__}: {error}"
            self._refuse((f"the reload broke off: {said}", f"重载中断：{said}"))

    def check(self, now: float) -> None:
        """End a reload that nobody carries out any more: systemd, and whoever typed it, would wait
        for ever. A worker that loads has its own time limit.

        Args:
            now: seconds, monotonic.
        """
        is_busy = any(
            life.report.replacement is not None or life.report.state in _MOVING
            for life in self._workers.lives
        )
        if self.state is not ReloadState.RUNNING or is_busy:
            self._stuck_since = None
            return
        self._stuck_since = now if self._stuck_since is None else self._stuck_since
        if now - self._stuck_since >= STUCK_SECONDS:
            self._refuse((
                f"the reload did not come to an end, and for {STUCK_SECONDS:.0f} s no worker was "
                "being replaced; systemctl restart seacod applies the file",
                f"重载没有结束，且 {STUCK_SECONDS:.0f} 秒内没有更换识别进程；"
                "执行 systemctl restart seacod 使文件生效",
            ))  # fmt: skip
            # What was on its way comes to nothing: workers to come have the settings before.
            self._workers.go_back("the reload did not come to an end")

    def _carry_out(self, *, is_waiting: bool) -> None:
        changed = self.changed = self._settings.reload(brings_workers=is_waiting)
        log.info(
            "configuration_reloaded" if changed else "configuration_unchanged",
            live=list(changed.live), replace=list(changed.replace),
        )  # fmt: skip
        if changed.replace or is_waiting:
            # The new worker brings the live ones along, so that a refusal leaves nothing behind.
            self._workers.replace("new configuration")
            return
        if changed.live:
            self._workers.apply(changed.live)
        self._end(None)

    def _refuse(self, problem: Words) -> None:
        log.error("configuration_refused", error=problem[0], hint="the old one goes on")
        self._bus.publish(
            AlertRaised(
                "configuration",
                "The new configuration was refused; the previous settings stay in use: "
                f"{problem[0]}",
                f"新的配置未生效，继续使用之前的配置：{problem[1]}",
            )
        )
        self._end(problem)

    def _end(self, problem: Words | None) -> None:
        """The reload is over: its settings are in use (None), or were refused."""
        if self.state is not ReloadState.RUNNING:
            return  # a later reload has ended before this one
        if problem is None and any(key.startswith("log.") for key in self.changed.live):
            logs.configure(self._settings.current.log, "supervisor")
        self.state = ReloadState.DONE if problem is None else ReloadState.REFUSED
        self.problem = problem or NOTHING
        self._notifier.reloaded()
