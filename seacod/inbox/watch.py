"""The loop of `seacod watch`: looks every few seconds, hears what is complete, a few at a time, and
waits when the service says so. Ends when asked to, after what runs."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from seacod.client import AsyncClient
from seacod.client.calls import SoundFields
from seacod.errors import CannotRead, CannotWrite, SeacodError
from seacod.inbox import verdict
from seacod.inbox.folder import Arrivals, Version, opened, recordings, version_of
from seacod.inbox.ledger import Ledger
from seacod.inbox.texts import Texts
from seacod.inbox.verdict import Again
from seacod.system.text.words import reason

# What cannot be read or written now may be mended.
_DISK_SECONDS = 30.0

# A recording (or empty, for all), what happened in English and Chinese, whether it is bad news.
Tell = Callable[[str, str, str, bool], None]


@dataclass(slots=True)
class _RecordingTrouble:
    """What a recording has met so far: how often it was tried, and when it may be tried again."""

    version: Version
    tries: int = 0
    not_before: float = 0.0


@dataclass(slots=True)
class FolderWatch:
    """
    Args:
        service: asked without patience of its own: each failure is judged here.
        texts: what goes where.
        ledger: what was heard.
        wanted: of each recording.
        at_once: recordings at a time.
        every_seconds: between two looks.
        settle_seconds: a file that has not changed for so long is complete.
        tell: told what happens.
    """

    service: AsyncClient
    texts: Texts
    ledger: Ledger
    wanted: SoundFields
    at_once: int
    every_seconds: float
    settle_seconds: float
    tell: Tell
    _running: dict[Path, asyncio.Task[None]] = field(init=False, default_factory=dict)
    _due: list[tuple[Path, Version]] = field(init=False, default_factory=list)
    _troubles: dict[Path, _RecordingTrouble] = field(init=False, default_factory=dict)
    _news: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _held_until: float = field(init=False, default=0.0)
    _told: str = field(init=False, default="")
    # Heard since the last look began, which may not have seen them in the ledger.
    _heard: dict[Path, Version] = field(init=False, default_factory=dict)

    async def run(self, stopped: asyncio.Event) -> None:
        """Hear what comes until `stopped`; then what has begun is finished.

        Raises:
            CannotRead: the folder is gone.
        """
        arrivals = Arrivals(self.settle_seconds)
        waking = asyncio.ensure_future(stopped.wait())
        waking.add_done_callback(lambda _: self._news.set())
        look_at = 0.0
        try:
            while not stopped.is_set():
                if time.monotonic() >= look_at:
                    await self._look_again(arrivals)
                    look_at = time.monotonic() + self.every_seconds
                self._begin()
                try:
                    await asyncio.wait_for(self._news.wait(), max(0.05, look_at - time.monotonic()))
                except asyncio.TimeoutError:
                    continue
                self._news.clear()
            if self._running:
                count = len(self._running)
                self.tell("", f"finishing {count} recordings", f"正在完成 {count} 个录音", False)
                await asyncio.wait(set(self._running.values()))
        finally:
            waking.cancel()
            for task in tuple(self._running.values()):
                task.cancel()
            if self._running:
                await asyncio.wait(set(self._running.values()))

    def _look(self, arrivals: Arrivals) -> list[tuple[Path, Version]]:
        """What is complete and was not dealt with. On a thread."""
        folder = self.texts.folder
        if not folder.is_dir():
            raise CannotRead(f"{folder}: the folder is gone", f"{folder}：目录已不存在")
        try:
            over = self.ledger.over()
        except sqlite3.Error as error:
            self._tell_once(_of_disk(error))
            return []
        found = {
            path: version
            for path, version in recordings(folder, {self.texts.failed}).items()
            if over.get(str(path)) != (version.size_bytes, version.mtime_ns)
        }
        return [(path, found[path]) for path in arrivals.complete(found)]

    async def _look_again(self, arrivals: Arrivals) -> None:
        seen = set(self._heard)
        self._due = await asyncio.to_thread(self._look, arrivals)
        for path in seen:
            del self._heard[path]
        there = {path for path, _ in self._due} | self._running.keys()
        for path in self._troubles.keys() - there:
            del self._troubles[path]

    def _begin(self) -> None:
        """Begin with what is due, as long as there is room and the service wants anything."""
        now = time.monotonic()
        while self._due and len(self._running) < self.at_once and now >= self._held_until:
            path, version = self._due.pop(0)
            trouble = self._troubles.get(path)
            if trouble is not None and trouble.version == version and now < trouble.not_before:
                continue
            if path in self._running or self._heard.get(path) == version:
                continue
            task = asyncio.ensure_future(self._one(path, version))
            self._running[path] = task
            task.add_done_callback(partial(self._over, path))

    def _over(self, path: Path, _: object) -> None:
        self._running.pop(path, None)
        self._news.set()

    async def _one(self, path: Path, version: Version) -> None:
        if await asyncio.to_thread(version_of, self.texts.folder / path) != version:
            return  # looked at again
        trouble = self._troubles.get(path)
        if trouble is None or trouble.version != version:
            trouble = self._troubles[path] = _RecordingTrouble(version)
        trouble.tries += 1
        try:
            await self._hear(path, version)
        except SeacodError as error:
            await self._judge(path, trouble, error)
            return
        except (OSError, sqlite3.Error, UnicodeError) as error:
            self._put_off(
                trouble, Again(_DISK_SECONDS, holds_all=False), str(path), _of_disk(error)
            )
            return
        self._troubles.pop(path, None)
        self._told = ""

    async def _hear(self, path: Path, version: Version) -> None:
        folder = self.texts.folder
        file = await asyncio.to_thread(opened, folder / path, version)
        if file is None:
            return  # looked at again
        with file:
            # A name need not be UTF-8 on the disk, but has to be in a form.
            shown = os.fsencode(path.name).decode("utf-8", "replace")
            transcript = await self.service.transcribe((shown, file), **self.wanted)
        if await asyncio.to_thread(version_of, folder / path) not in (version, None):
            return  # it was written over meanwhile: that one is heard
        # Not given up in the middle: what is written is in the ledger.
        written = await asyncio.shield(
            asyncio.to_thread(self.texts.write, self.ledger, path, version, transcript)
        )
        self._heard[path] = version
        names = ", ".join(one.name for one in written)
        self.tell(str(path), f"heard: {names}", f"已识别：{names}", False)

    async def _judge(self, path: Path, trouble: _RecordingTrouble, error: SeacodError) -> None:
        said = verdict.after(error, trouble.tries)
        if isinstance(said, Again):
            self._put_off(trouble, said, str(path), error)
            return
        try:
            reason = await asyncio.shield(
                asyncio.to_thread(self.texts.set_aside, self.ledger, path, trouble.version, error)
            )
        except (OSError, sqlite3.Error, UnicodeError) as problem:
            disk = _of_disk(problem)
            why = CannotWrite(f"cannot be set aside: {disk.message}", f"无法移出：{disk.chinese}")
            self._put_off(trouble, Again(_DISK_SECONDS, holds_all=False), str(path), why)
            return
        self._troubles.pop(path, None)
        if reason is None:
            return  # another one is there now, or none
        self.tell(
            str(path), f"{error.message} (set aside: {reason})",
            f"{error.chinese}（已移出：{reason}）", True,
        )  # fmt: skip

    def _put_off(
        self, trouble: _RecordingTrouble, said: Again, path: str, error: SeacodError
    ) -> None:
        trouble.not_before = time.monotonic() + said.after_seconds
        if not said.holds_all:
            self.tell(path, error.message, error.chinese, True)
            return
        self._held_until = max(self._held_until, trouble.not_before)
        self._tell_once(error)

    def _tell_once(self, error: SeacodError) -> None:
        """For as long as it is the same."""
        if error.message != self._told:
            self.tell("", error.message, error.chinese, True)
        self._told = error.message


def _of_disk(error: OSError | sqlite3.Error | UnicodeError) -> CannotWrite:
    """What a full or broken disk said, of the folder or of what is noted about it; or what is wrong
    with a name."""
    file = getattr(error, "filename", None) or ""
    return CannotWrite(*(f"{why}: {file}".rstrip(": ") for why in reason(error)))
