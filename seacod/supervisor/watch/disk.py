"""Keeps the disk: sweeps what was left of uploads, watches free space, tells when it runs low."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from seacod.config.storage import StorageSettings
from seacod.supervisor.bus import AlertCleared, AlertRaised, Bus
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats
from seacod.supervisor.watch import sweeper
from seacod.supervisor.watch.directories import Directories
from seacod.supervisor.watch.place_thread import PATIENCE_SECONDS, NoAnswerYet, PlaceThread
from seacod.supervisor.watch.sweeper import Swept
from seacod.system.clock_jumps import ClockJumps
from seacod.system.files.free_space import free_bytes, free_files

log = structlog.get_logger(__name__)

T = TypeVar("T")

_LOOK_SECONDS = 10.0
# The level must be left by this share before it counts as over.
_CLEAR_MARGIN = 0.1
# What batches hold is counted so often.
_COUNT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class FileSystem:
    """One of those that are watched: which of our directories lie on it, and its free bytes."""

    directories: tuple[Path, ...]
    free: int


@dataclass(frozen=True, slots=True)
class _Place:
    """What lies in a directory: in metrics, and for people."""

    label: str
    english: str
    chinese: str


class Housekeeping:
    """One task of the supervisor.

    Args:
        settings: the holder of the settings, which says where uploads lie.
        bus: takes alerts.
        on_swept: told how many files each sweep has removed.
        heartbeats: where proof of life is shown.
        clock: knows by how much what is left may look older than it is; looked at here.
        patience_seconds: so long a file system has to answer.
    """

    def __init__(
        self,
        settings: SettingsHolder,
        bus: Bus,
        on_swept: Callable[[int], None],
        heartbeats: TaskHeartbeats,
        clock: ClockJumps,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._directory = settings.paths.temp
        self._jobs = settings.paths.jobs
        # Where several lie on one disk the first names its alerts.
        self._watched = {
            self._directory: _Place("uploads", "uploads", "上传文件"),
            self._jobs: _Place("batches", "batches", "批量任务"),
            settings.paths.state: _Place("state", "the service's own files", "服务自身的数据"),
        }
        self._settings = settings
        self._bus = bus
        # The limits that are passed, of which the log has it already.
        self._passed: set[tuple[str, str]] = set()
        self._on_swept = on_swept
        self._heartbeats = heartbeats
        self._clock = clock
        # Free bytes by what lies there, as they were at the last look.
        self.free_at: dict[str, int] = {}
        self._directories = Directories(settings.paths, bus)
        # A file system that hangs keeps none of the others, nor what takes long.
        self._places = {one: PlaceThread(patience_seconds) for one in self._watched}
        self._sweeping = PlaceThread(patience_seconds)
        self._counting = PlaceThread(patience_seconds)
        self._count_at = 0.0
        # What batches hold: recordings and results.
        self.jobs_bytes: int | None = None

    async def run(self) -> None:
        """Sweep and watch until cancelled. The first sweep comes at once: what a dead service left
        should not wait for hours."""
        due = time.monotonic()
        while True:
            settings = self._settings.current.storage
            self._heartbeats.expect("housekeeping", 600.0)
            await self._each([self._settings.paths.state], lambda _: self._clock.look())
            await self._look_at_directories()
            # One that hangs is told first, and then not swept.
            if time.monotonic() >= due and not self._places[self._directory].is_busy:
                due = time.monotonic() + settings.sweep_interval_seconds
                await self._sweep(settings.keep_seconds)
            await self._look_at_free_space(settings)
            due = min(due, time.monotonic() + settings.sweep_interval_seconds)
            await asyncio.sleep(min(_LOOK_SECONDS, settings.sweep_interval_seconds))

    async def _sweep(self, keep_seconds: float) -> None:
        moment = self._moment(keep_seconds)
        await self._clean(partial(sweeper.sweep, self._directory, keep_seconds, moment))

    async def _clean(self, call: Callable[[], Swept]) -> None:
        """Have uploads removed. A great many may take their time: then it is told at its end."""
        with contextlib.suppress(NoAnswerYet):
            self._tell(await self._sweeping.ask(call, late=self._tell))

    async def _each(self, directories: Iterable[Path], call: Callable[[Path], T]) -> dict[Path, T]:
        """What each directory says, asked side by side; without those that do not answer."""
        found: dict[Path, T] = {}

        async def ask(directory: Path) -> None:
            with contextlib.suppress(NoAnswerYet):
                found[directory] = await self._places[directory].ask(partial(call, directory))

        await asyncio.gather(*map(ask, directories))
        return {one: found[one] for one in self._watched if one in found}

    async def _look_at_directories(self) -> None:
        found = await self._each(self._watched, self._directories.look)
        self._directories.tell({one: found.get(one) for one in self._watched})

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
        found = await self._file_systems()
        of_uploads = next((one for one in found if self._directory in one.directories), None)
        if of_uploads is not None and of_uploads.free < settings.free_warn_bytes:
            missing = settings.free_warn_bytes - of_uploads.free
            moment = self._moment(sweeper.NEVER_YOUNGER_SECONDS)
            await self._clean(partial(sweeper.make_room, self._directory, missing, moment))
            found = await self._file_systems()
        self._tell_free(found, settings)
        self._directories.tell_free(await self._each(self._directories.own, free_files))

    async def _file_systems(self) -> list[FileSystem]:
        """Those on which the directories lie, each once; without what cannot be asked."""
        found: dict[int, FileSystem] = {}
        for directory, told in (await self._each(self._watched, _on_device)).items():
            if told is not None:
                device, free = told
                before = found[device].directories if device in found else ()
                found[device] = FileSystem((*before, directory), free)
        return list(found.values())

    def _tell_free(self, found: Sequence[FileSystem], settings: StorageSettings) -> None:
        # Anew each time: of a place that cannot be asked now, nothing is known.
        self.free_at = {
            self._watched[place].label: one.free for one in found for place in one.directories
        }
        for one in found:
            self._level("disk_low", one, settings.free_warn_bytes)
            # Where neither uploads nor batches go nothing is refused.
            takes = not {self._directory, self._jobs}.isdisjoint(one.directories)
            self._level("disk_full", one, settings.free_refuse_bytes if takes else 0)

    @property
    def free_bytes(self) -> int | None:
        """On the fullest of them."""
        return min(self.free_at.values(), default=None)

    async def _count_jobs(self) -> None:
        began = time.monotonic()
        if began < self._count_at or self._counting.is_busy:
            return

        def counted(size: int | None) -> None:
            self.jobs_bytes, now = size, time.monotonic()
            # Counting takes a hundredth of the time at most.
            self._count_at = now + max(_COUNT_SECONDS, 100 * (now - began))

        try:
            counted(await self._counting.ask(partial(_size_of, self._jobs), late=counted))
        except NoAnswerYet:
            self.jobs_bytes = None

    def _level(self, kind: str, where: FileSystem, limit: int) -> None:
        key, mib = str(where.directories[0]), where.free >> 20
        if limit and where.free < limit:
            if (kind, key) in self._passed:
                return  # told; no more of it until it is over
            self._passed.add((kind, key))
            log.warning(kind, directory=key, free_mib=mib, limit_mib=limit >> 20)
            named = [(self._watched[one], one) for one in where.directories]
            places = ", ".join(f"{what.english} ({one})" for what, one in named)
            places_zh = "、".join(f"{what.chinese}（{one}）" for what, one in named)
            english = f"{mib} MiB are free on the disk of {places}; the limit is {limit >> 20} MiB."
            chinese = f"{places_zh}所在磁盘剩余 {mib} MiB，低于 {limit >> 20} MiB。"
            if self._jobs in where.directories and self.jobs_bytes is not None:
                english += f" Batches hold {self.jobs_bytes >> 20} MiB."
                chinese += f"批量任务占用 {self.jobs_bytes >> 20} MiB。"
            self._bus.publish(AlertRaised(kind, english, chinese, key, is_once=True))
        elif not limit or where.free > limit * (1 + _CLEAR_MARGIN):
            english, chinese = f"{mib} MiB are free again.", f"剩余空间已恢复到 {mib} MiB。"
            # Also of those that had a disk of their own before.
            for one in map(str, where.directories):
                self._passed.discard((kind, one))
                self._bus.publish(AlertCleared(kind, english, chinese, one))


def _on_device(directory: Path) -> tuple[int, int] | None:
    """The device of a directory and its free bytes; None when it cannot be asked. Blocking."""
    free = free_bytes(directory)
    with contextlib.suppress(OSError):
        device = os.stat(directory).st_dev
        return None if free is None else (device, free)
    return None


def _size_of(top: Path) -> int | None:
    """Bytes of all files below a directory; of what goes meanwhile, nothing; None when it cannot be
    looked at. Blocking."""
    try:
        os.scandir(top).close()
    except FileNotFoundError:
        return 0
    except OSError:
        return None
    total = 0
    for directory, _, names in os.walk(top):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(directory, name)).st_size
    return total
