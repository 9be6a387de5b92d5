"""Notices a pause that an operator begins or ends (`seacod/pause.py`), and tells everybody. Owned
by `daemon.py`; decides nothing.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from seacod import pause
from seacod.pause import Pause
from seacod.supervisor.bus import Bus, PauseChanged
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0


class Pausing:
    """
    Args:
        path: where a pause is written down.
        bus: where it is told.
        heartbeats: where proof of life is shown.
    """

    def __init__(self, path: Path, bus: Bus, heartbeats: TaskHeartbeats) -> None:
        self.current: Pause | None = None
        self._path = path
        self._bus = bus
        self._heartbeats = heartbeats
        self._trouble = ""

    async def run(self) -> None:
        """Look until canceled."""
        self._heartbeats.expect("pause", _LOOK_SECONDS)
        while True:
            self._heartbeats.touch("pause")
            self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    def look(self) -> None:
        """Take up what has changed. Quick: the file is small, and nearly always not there."""
        try:
            now = pause.read(self._path)
        except OSError as error:
            # What holds goes on.
            if (trouble := error.strerror or type(error).__name__) != self._trouble:
                log.error("pause_not_read", path=str(self._path), error=trouble)
            self._trouble = trouble
            return
        self._trouble = ""
        if now == self.current:
            return
        was, self.current = self.current, now
        if now is not None:
            log.warning(
                "paused", reason=now.reason, retry_after_seconds=now.retry_after_seconds,
                hint="nothing new is taken until: seacod resume",
            )  # fmt: skip
        elif was is not None:
            log.warning("resumed")
        self._bus.publish(PauseChanged(now))
