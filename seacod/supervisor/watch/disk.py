"""Keeps the disk: sweeps what was left of uploads, watches free space, tells when it runs low."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from seacod.config.storage import StorageSettings
from seacod.supervisor.bus import AlertCleared, AlertRaised, Bus
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats
from seacod.supervisor.watch import sweeper
from seacod.supervisor.watch.directories import Directories
from seacod.supervisor.watch.sweeper import Swept
from seacod.system.clock_jumps import ClockJumps
from seacod.system.files.free_space import free_bytes

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 10.0
# The level must be left by this share before it counts as over.
_CLEAR_MARGIN = 0.1
# What batches hold is counted so often.
_COUNT_SECONDS = 60.0


class Housekeeping:
    """One task of the supervisor.

    Args:
        settings: the holder of the settings, which says where uploads lie.
        bus: takes alerts.
        on_swept: told how many files each sweep has removed.
        heartbeats: where proof of life is shown.
        clock: knows by how much what is left may look older than it is; looked at here.
    """

    def __init__(
        self,
        settings: SettingsHolder,
        bus: Bus,
        on_swept: Callable[[int], None],
        heartbeats: TaskHeartbeats,
        clock: ClockJumps,
    ) -> None:
        self._directory = settings.paths.temp
        self._jobs = settings.paths.jobs
        self._settings = settings
        self._bus = bus
        # The limits that are passed, of which the log has it already.
        self._passed: set[str] = set()
        self._on_swept = on_swept
        self._heartbeats = heartbeats
        self._clock = clock
        self.free_bytes: int | None = None
        self._directories = Directories(settings.paths, bus)
        self._count_at = 0.0
        # What batches hold: recordings and results.
        self.jobs_bytes: int | None = None

    async def run(self) -> None:
        """Sweep and watch until cancelled. The first sweep comes at once: what a dead service left
        should not wait for hours."""
        due = time.monotonic()
        while True:
            settings = self._settings.current.storage
            # A sweep of a great many files may take its time; it is on a thread.
            self._heartbeats.expect("housekeeping", 600.0)
            await asyncio.to_thread(self._clock.look)
            if time.monotonic() >= due:
                due = time.monotonic() + settings.sweep_interval_seconds
                await self._sweep(settings.keep_seconds)
            self._directories.tell(await asyncio.to_thread(self._directories.look))
            await self._look_at_free_space(settings)
            due = min(due, time.monotonic() + settings.sweep_interval_seconds)
            await asyncio.sleep(min(_LOOK_SECONDS, settings.sweep_interval_seconds))

    async def _sweep(self, keep_seconds: float) -> None:
        moment = self._moment(keep_seconds)
        self._tell(await asyncio.to_thread(sweeper.sweep, self._directory, keep_seconds, moment))

    def _moment(self, seconds: float) -> float:
        """The present, Unix seconds, for judging what is no older than that by a clock that may
        have been set."""
        return time.time() - self._clock.looks_older_by(seconds)

    def _tell(self, swept: Swept) -> None:
        self._on_swept(swept.removed_files)
        if swept.removed_files or swept.failed:
            log.info(
                "uploads_swept", removed=swept.removed_files, bytes=swept.removed_bytes,
                in_use=swept.in_use, failed=swept.failed,
            )  # fmt: skip

    async def _look_at_free_space(self, settings: StorageSettings) -> None:
        await self._count_jobs()
        free = await asyncio.to_thread(self._least_free)
        if free is None:
            return
        if settings.free_warn_bytes and free < settings.free_warn_bytes:
            self._tell(
                await asyncio.to_thread(
                    sweeper.make_room,
                    self._directory,
                    settings.free_warn_bytes - free,
                    self._moment(sweeper.NEVER_YOUNGER_SECONDS),
                )
            )
            free = await asyncio.to_thread(self._least_free) or free
        self.free_bytes = free
        self._level("disk_low", free, settings.free_warn_bytes)
        self._level("disk_full", free, settings.free_refuse_bytes)
        self._directories.tell_free(await asyncio.to_thread(self._directories.free_files))

    def _least_free(self) -> int | None:
        """The fewest free bytes on the file systems of uploads and batches; often it is one."""
        found = [free_bytes(place) for place in (self._directory, self._jobs)]
        return min((free for free in found if free is not None), default=None)

    async def _count_jobs(self) -> None:
        if time.monotonic() < self._count_at:
            return
        began = time.monotonic()
        self.jobs_bytes = await asyncio.to_thread(_size_of, self._jobs)
        # Counting takes a hundredth of the time at most.
        self._count_at = time.monotonic() + max(_COUNT_SECONDS, 100 * (time.monotonic() - began))

    def _level(self, kind: str, free: int, limit: int) -> None:
        key, mib = str(self._directory), free >> 20
        if limit and free < limit:
            if kind in self._passed:
                return  # told; no more of it until it is over
            self._passed.add(kind)
            log.warning(kind, directory=key, free_mib=mib, limit_mib=limit >> 20)
            english = (
                f"{mib} MiB are free for uploads, the limit is {limit >> 20} MiB; batches hold "
                f"{(self.jobs_bytes or 0) >> 20} MiB in {self._jobs}."
            )
            chinese = (
                f"上传目录所在磁盘剩余 {mib} MiB，低于 {limit >> 20} MiB；批量任务占用 "
                f"{(self.jobs_bytes or 0) >> 20} MiB（{self._jobs}）。"
            )
            self._bus.publish(AlertRaised(kind, english, chinese, key, is_once=True))
        elif not limit or free > limit * (1 + _CLEAR_MARGIN):
            english, chinese = f"{mib} MiB are free again.", f"剩余空间已恢复到 {mib} MiB。"
            self._passed.discard(kind)
            self._bus.publish(AlertCleared(kind, english, chinese, key))


def _size_of(top: Path) -> int:
    """Bytes of all files below a directory; of what goes meanwhile, nothing. Blocking."""
    total = 0
    for directory, _, names in os.walk(top):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(directory, name)).st_size
    return total
