"""The supervisor's end of the alerts: one outbox, one deduplicator, one delivery, and what goes
with each message as evidence. What is worth an alert is decided by whoever notices it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import structlog

from seacod.alerts.channels.registry import configured
from seacod.alerts.deduplicator import Deduplicator
from seacod.alerts.delivery import Delivery
from seacod.alerts.outbox import Outbox, now
from seacod.alerts.outbox_file import FILE
from seacod.alerts.salvage import put_aside
from seacod.supervisor.bus import AlertCleared, AlertRaised, Bus
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats
from seacod.system.clock_jumps import ClockJumps
from seacod.system.text.words import Words

log = structlog.get_logger(__name__)

_TICK_SECONDS = 5.0
# How long an ending service tries to send its last words.
_LAST_TRY_SECONDS = 5.0


class Alerting:
    """Everything about alerts that a service has one of.

    Args:
        settings: the holder of the settings.
        evidence: figures and lines for every alert.
        heartbeats: where proof of life is shown.
        bus: tells of alerts, from whoever noticed something.
        clock: knows for how long less than it looks an alert has lasted.
    """

    def __init__(
        self,
        settings: SettingsHolder,
        evidence: Callable[[], dict[str, Any]],
        heartbeats: TaskHeartbeats,
        bus: Bus,
        clock: ClockJumps,
    ) -> None:
        self._heartbeats = heartbeats
        self._troubled: set[str] = set()
        # Why the outbox is not in its file, as it was last said.
        self._problem = ""
        self.outbox, aside = _opened(settings.paths.state / FILE)
        self.delivery = Delivery(
            self.outbox,
            settings,
            on_trouble=self._on_trouble,
            touch=lambda: heartbeats.touch("alerts"),
        )
        self.deduplicator = Deduplicator(
            self.outbox,
            settings,
            lambda: list(configured(settings.current.alerts)),
            clock=now,
            evidence=evidence,
            on_message=self.delivery.wake,
            looks_longer_by=clock.looks_older_by,
        )
        self._put_aside = aside
        bus.subscribe(AlertRaised, self._on_raised)
        bus.subscribe(AlertCleared, self._on_cleared)

    async def run(self) -> None:
        """Deliver, and tell later what was only counted, until cancelled."""
        # A channel's task touches before each try, and a try may take three times 30 s.
        self._heartbeats.expect("alerts", 60.0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.delivery.run, name="delivery")
            if self._put_aside is not None:
                self._tell_damaged(self._put_aside, False)
            while True:
                self._rescue()
                self.deduplicator.tick()
                await asyncio.sleep(_TICK_SECONDS)

    def close_gone(self, is_there: Callable[[str, str], bool]) -> None:
        """Close the open alerts about what is there no more.

        Args:
            is_there: whether what an alert is about, by its kind and key, is there, or may be.
        """
        try:
            found = self.outbox.open_until_over()
        except sqlite3.Error as error:
            if self.outbox.failed(error):
                log.error("alerts_not_read", error=str(error))
            return
        for kind, key, _ in found:
            if not is_there(kind, key):
                self.deduplicator.cleared(
                    kind,
                    f"{key or 'What this was about'} is no longer part of this service: its "
                    "configuration or the machine was changed, and nobody watches it any more.",
                    f"{key or '此告警的对象'} 已不属于本服务（配置或机器有变更），不再监视。",
                    key=key,
                )

    def _rescue(self) -> None:
        event = "outbox_in_memory" if self.outbox.is_in_memory else "outbox_was_removed"
        try:
            if self.outbox.is_damaged:
                event = "outbox_broken"
                self._tell_damaged(*self.outbox.begin_anew())
            elif self.outbox.is_refused:
                # Not brought back at once: what it would not take is sent from memory first.
                event = "outbox_in_memory"
                self.outbox.go_on_in_memory()
                self.delivery.resume()
                log.error(event, path=str(self.outbox.path), hint="until there is room")
            elif self.outbox.rescue():
                log.error(event, path=str(self.outbox.path), hint="written anew")
            self._problem = ""
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, sqlite3.Error):
                self.outbox.failed(error)
            if str(error) != self._problem:
                log.error(event, path=str(self.outbox.path), error=str(error))
            self._problem = str(error)

    def _tell_damaged(self, aside: Path | None, is_all: bool) -> None:
        """A new outbox is in use, and an operator should know why."""
        log.error("outbox_broken", path=str(self.outbox.path), put_aside=str(aside))
        kept = "All that it held was taken along."
        kept_zh = "其中的内容已全部保留。"
        if not is_all:
            kept = "Not all of it could be read: messages that waited may be lost."
            kept_zh = "其中部分内容无法读取，待发送的消息可能已丢失。"
        where, where_zh = f"It lies at {aside}", f"原文件移至 {aside}"
        if aside is None:
            where, where_zh = "Its file was removed", "原文件已被删除"
        self.deduplicator.raised(
            "alerts_lost",
            f"The database of the alerts was damaged. {where}, and a new one is in use. "
            f"{kept} See whether the disk is sound.",
            f"告警数据库已损坏，{where_zh}，现使用新的数据库。{kept_zh}请检查磁盘是否完好。",
        )

    async def finish(self) -> None:
        """The service ends: a last try; what is not taken waits for the next start."""
        self._rescue()
        self.deduplicator.tick()
        await self.delivery.last_try(_LAST_TRY_SECONDS)
        self._rescue()
        self.outbox.close()

    def _on_raised(self, event: AlertRaised) -> None:
        if event.is_once and self.deduplicator.is_open(event.kind, event.key):
            return
        self.deduplicator.raised(
            event.kind, event.english, event.chinese, key=event.key, **event.evidence
        )

    def _on_cleared(self, event: AlertCleared) -> None:
        self.deduplicator.cleared(event.kind, event.english, event.chinese, key=event.key)

    def _on_trouble(self, channel: str, problem: Words | None) -> None:
        if problem is not None:
            if channel in self._troubled:
                return
            self._troubled.add(channel)
            self.deduplicator.raised(
                "delivery",
                f"Messages by {channel} are not taken: {problem[0]}",
                f"{channel} 告警发送失败：{problem[1]}",
                key=channel,
            )
        else:
            # Also what the supervisor before this one told; of what is not open nothing is said.
            self._troubled.discard(channel)
            self.deduplicator.cleared(
                "delivery", f"{channel} takes messages again.", f"{channel} 已恢复。", key=channel
            )


def _opened(path: Path) -> tuple[Outbox, Path | None]:
    """The outbox, and where a damaged one was put before; without a disk it lives in memory until
    there is one: a broken outbox must not keep the service from serving."""
    aside = None
    try:
        try:
            return Outbox(path), None
        except sqlite3.OperationalError:
            # A full disk, a lock, no permission: the file is as good as it was.
            raise
        except sqlite3.DatabaseError:
            aside = put_aside(path)
            return Outbox(path), aside
    except (OSError, sqlite3.Error) as error:
        log.error("outbox_in_memory", error=str(error), hint="until the file can be written to")
        return Outbox(path, in_memory=True), aside
