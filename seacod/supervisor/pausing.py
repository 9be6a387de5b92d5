"""Notices a pause that an operator begins or ends (`seacod/pause.py`), and tells everybody; one
that lasts for hours is an alert, since somebody may have forgotten it. Owned by `daemon.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog

from seacod import pause
from seacod.pause import Pause
from seacod.supervisor.bus import AlertCleared, AlertRaised, Bus, PauseChanged
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats
from seacod.system.processes.threads import on_thread

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0
# Planned work takes less; etc/prometheus/rules.yml has the same.
FORGOTTEN_SECONDS = 4 * 3600.0


class Pausing:
    """
    Args:
        path: where a pause is written down.
        bus: where it is told.
        heartbeats: where proof of life is shown.
        clock: Unix seconds; a pause outlives the process, and the machine.
    """

    def __init__(
        self,
        path: Path,
        bus: Bus,
        heartbeats: TaskHeartbeats,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.current: Pause | None = None
        self._path = path
        self._bus = bus
        self._heartbeats = heartbeats
        self._clock = clock
        self._trouble = ""
        self._looking: asyncio.Future[Pause | None] | None = None
        self._is_told = self._has_looked = False

    async def run(self) -> None:
        """Look until canceled."""
        self._heartbeats.expect("pause", _LOOK_SECONDS)
        while True:
            self._heartbeats.touch("pause")
            await self._look_aside()
            self._remind()
            await asyncio.sleep(_LOOK_SECONDS)

    def look(self) -> None:
        """Take up what has changed. Blocking: before there is anybody who waits."""
        try:
            now = pause.read(self._path)
        except OSError as error:
            self._not_read(error.strerror or type(error).__name__)
        else:
            self._took(now)

    async def _look_aside(self) -> None:
        """On a thread: a file system that hangs holds nobody up, and what holds goes on."""
        if self._looking is None:
            self._looking = on_thread("seacod-pause", partial(pause.read, self._path))
        done, _ = await asyncio.wait({self._looking}, timeout=_LOOK_SECONDS)
        if not done:
            self._not_read("the file system does not answer")
            return
        looked, self._looking = self._looking, None
        try:
            now = looked.result()
        except OSError as error:
            self._not_read(error.strerror or type(error).__name__)
        else:
            self._took(now)

    def _not_read(self, trouble: str) -> None:
        """What holds goes on."""
        if trouble != self._trouble:
            log.error("pause_not_read", path=str(self._path), error=trouble)
        self._trouble = trouble

    def _took(self, now: Pause | None) -> None:
        self._trouble = ""
        is_first, self._has_looked = not self._has_looked, True
        if now is None and (is_first or self.current is not None):
            # Also when it ended while no service ran. Nobody hears of one that was not told.
            english = "The pause is over: what is new is taken again."
            self._bus.publish(AlertCleared("paused", english, "暂停已结束，恢复接受新的请求。"))
        if now == self.current:
            return
        self._is_told = False
        was, self.current = self.current, now
        if now is None:
            log.warning("resumed")
        else:
            log.warning(
                "paused", reason=now.reason, retry_after_seconds=now.retry_after_seconds,
                hint="nothing new is taken until: seacod resume",
            )  # fmt: skip
            if was is not None:
                english = "The pause was renewed by seacod pause, so an operator knows of it."
                self._bus.publish(AlertCleared("paused", english, "已重新执行暂停，有人知晓。"))
        self._bus.publish(PauseChanged(now))

    def _remind(self) -> None:
        """Tell of a pause that lasts for longer than planned work does, once."""
        if self.current is None or self._is_told:
            return
        seconds = self._clock() - self.current.since
        if seconds < FORGOTTEN_SECONDS:
            return
        self._is_told = True
        hours, reason = seconds / 3600, self.current.reason
        why, why_zh = (f" ({reason})", f"（{reason}）") if reason else ("", "")
        log.warning("pause_lasts", hours=round(hours, 1), reason=reason)
        self._bus.publish(
            AlertRaised(
                "paused",
                f"The service has been paused for {hours:.1f} hours{why} and takes nothing new. "
                "seacod resume ends it.",
                f"服务已暂停 {hours:.1f} 小时{why_zh}，不接受新的请求。恢复请执行 seacod resume。",
            )
        )
