"""Keeps the disk: sweeps what was left of uploads, watches free space, tells when it runs low."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from seacod.alerts.deduplicator import Deduplicator
from seacod.config.storage import StorageSettings
from seacod.paths import free_bytes
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats
from seacod.supervisor.watch import sweeper
from seacod.supervisor.watch.sweeper import Swept

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 10.0
# The level must be left by this share before it counts as over.
_CLEAR_MARGIN = 0.1


class Housekeeping:
    """One task of the supervisor.

    Args:
        settings: the holder of the settings, which says where uploads lie.
        deduplicator: who is told.
        on_swept: told how many files each sweep has removed.
        heartbeats: where proof of life is shown.
    """

    def __init__(
        self,
        settings: SettingsHolder,
        deduplicator: Deduplicator,
        on_swept: Callable[[int], None],
        heartbeats: TaskHeartbeats,
    ) -> None:
        self._directory = settings.paths.temp
        self._settings = settings
        self._deduplicator = deduplicator
        self._on_swept = on_swept
        self._heartbeats = heartbeats
        self.free_bytes: int | None = None

    async def run(self) -> None:
        """Sweep and watch until cancelled. The first sweep comes at once: what a dead service left
        should not wait for hours."""
        due = time.monotonic()
        while True:
            settings = self._settings.current.storage
            # A sweep of a great many files may take its time; it is on a thread.
            self._heartbeats.expect("housekeeping", 600.0)
            if time.monotonic() >= due:
                due = time.monotonic() + settings.sweep_interval_seconds
                self._tell(
                    await asyncio.to_thread(sweeper.sweep, self._directory, settings.keep_seconds)
                )
            await self._look_at_free_space(settings)
            due = min(due, time.monotonic() + settings.sweep_interval_seconds)
            await asyncio.sleep(min(_LOOK_SECONDS, settings.sweep_interval_seconds))

    def _tell(self, swept: Swept) -> None:
        self._on_swept(swept.removed_files)
        if swept.removed_files or swept.failed:
            log.info(
                "uploads_swept", removed=swept.removed_files, bytes=swept.removed_bytes,
                in_use=swept.in_use, failed=swept.failed,
            )  # fmt: skip

    async def _look_at_free_space(self, settings: StorageSettings) -> None:
        free = await asyncio.to_thread(free_bytes, self._directory)
        if free is None:
            return
        if settings.free_warn_bytes and free < settings.free_warn_bytes:
            self._tell(
                await asyncio.to_thread(
                    sweeper.make_room, self._directory, settings.free_warn_bytes - free
                )
            )
            free = await asyncio.to_thread(free_bytes, self._directory) or free
        self.free_bytes = free
        self._level("disk_low", free, settings.free_warn_bytes)
        self._level("disk_full", free, settings.free_refuse_bytes)

    def _level(self, kind: str, free: int, limit: int) -> None:
        key, mib = str(self._directory), free >> 20
        if limit and free < limit:
            if self._deduplicator.is_open(kind, key):
                return  # told; no more of it until it is over
            log.warning(kind, directory=key, free_mib=mib, limit_mib=limit >> 20)
            self._deduplicator.raised(
                kind,
                f"{mib} MiB are free for uploads, the limit is {limit >> 20} MiB.",
                f"上传目录所在磁盘剩余 {mib} MiB，低于 {limit >> 20} MiB。",
                key=key,
            )
        elif not limit or free > limit * (1 + _CLEAR_MARGIN):
            english, chinese = f"{mib} MiB are free again.", f"剩余空间已恢复到 {mib} MiB。"
            self._deduplicator.cleared(kind, english, chinese, key=key)
