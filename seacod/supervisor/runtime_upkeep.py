"""Keeps what the service needs in its runtime directory: the sockets it is asked at, its address,
its lock, the tables and metrics of its workers; and the unix sockets of server.listen, wherever
they are. Somebody may remove them (a clean-up of /run, a `rm -rf`); then they are made anew,
workers that have open what was removed are replaced, and the operator hears of it. Owned by
`daemon.py`; nothing here ends the service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import structlog

from seacod.errors import SeacodError
from seacod.supervisor.bus import AlertCleared, AlertRaised, Bus
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats
from seacod.system.files.file_identity import identity
from seacod.system.text.words import NOTHING, Words, joined, reason

log = structlog.get_logger(__name__)

LOOK_SECONDS = 5.0


class RuntimeFile(Protocol):
    """Something of ours in the directory."""

    @property
    def path(self) -> Path: ...

    def is_there(self) -> bool:
        """Whether what lies at the path is ours."""

    async def remake(self) -> None:
        """Make it anew.

        Raises:
            OSError: it cannot be made.
        """


class MappedFile:
    """A file that our workers have mapped.

    Args:
        path: where it is.
        remade: makes another one, which the supervisor uses from then on.
    """

    def __init__(self, path: Path, remade: Callable[[Path], None]) -> None:
        self.path = path
        self._remade = remade
        self._made = identity(path)

    def is_there(self) -> bool:
        return identity(self.path) == self._made

    async def remake(self) -> None:
        self._remade(self.path)
        self._made = identity(self.path)


class AddressFile:
    """Where the service takes requests, for those who may not ask the supervisor.

    Args:
        path: of the file.
        url: what stands in it.
    """

    def __init__(self, path: Path, url: str) -> None:
        self.path = path
        self._url = url

    def is_there(self) -> bool:
        return identity(self.path) is not None

    async def remake(self) -> None:
        self.path.write_text(f"{self._url}\n", "utf-8")
        self.path.chmod(0o644)

    async def remove(self) -> None:
        """At the end of the service.

        Raises:
            OSError: it cannot be removed.
        """
        self.path.unlink(missing_ok=True)


class RuntimeUpkeep:
    """
    Args:
        directory: the runtime directory.
        own: what only the supervisor uses.
        shared: what workers have open; those that have it are replaced when it was removed.
        replace: has all workers replaced, for a cause.
        bus: where it is told.
        heartbeats: where proof of life is shown.
    """

    def __init__(
        self,
        directory: Path,
        own: Sequence[RuntimeFile],
        shared: Sequence[RuntimeFile],
        replace: Callable[[str], None],
        bus: Bus,
        heartbeats: TaskHeartbeats,
    ) -> None:
        self._directory = directory
        self._own = own
        self._shared = shared
        self._replace = replace
        self._bus = bus
        self._heartbeats = heartbeats
        self._problem: Words = NOTHING

    async def run(self) -> None:
        """Look until cancelled."""
        self._heartbeats.expect("runtime", LOOK_SECONDS)
        # What the supervisor before this one has told is over: its message asked for a restart.
        self._writable_again()
        while True:
            self._heartbeats.touch("runtime")
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Make anew what was removed."""
        own = [one for one in self._own if not one.is_there()]
        shared = [one for one in self._shared if not one.is_there()]
        if not own and not shared:
            self._solved()
            return
        made, problem = await self._remake([*own, *shared])
        if made:
            names = ", ".join(str(one.path) for one in made)
            log.error("runtime_files_made_anew", files=names)
            if any(one in made for one in shared):
                self._replace("files of the running service were removed")
            self._tell_made(names)
        if problem != NOTHING:
            self._failed(problem)
        else:
            self._solved()

    async def _remake(self, missing: Sequence[RuntimeFile]) -> tuple[list[RuntimeFile], Words]:
        """Make missing files anew; which could be, and why the others could not."""
        made: list[RuntimeFile] = []
        problems: list[Words] = []
        for one in missing:
            try:
                self._directory.mkdir(mode=0o755, exist_ok=True)
                await one.remake()
                made.append(one)
            except OSError as error:
                why, chinese = reason(error)
                place = error.filename or self._directory
                problems.append((f"{place}: {why}", f"{place}：{chinese}"))
            except SeacodError as error:
                # Another service was quicker to take the lock, or the address.
                problems.append(error.words)
        return made, joined(problems)

    def _tell_made(self, names: str) -> None:
        self._bus.publish(
            AlertRaised(
                "runtime_files",
                f"Somebody has removed files of the running service ({names}). They were made "
                "anew; workers are replaced where they had them open.",
                f"有人删除了运行中服务的文件（{names}）；已重新创建，仍使用旧文件的识别进程会被更换。",
            )
        )

    def _solved(self) -> None:
        if self._problem != NOTHING:
            self._problem = NOTHING
            self._writable_again()

    def _writable_again(self) -> None:
        self._bus.publish(
            AlertCleared(
                "storage",
                f"{self._directory} can be written to again.",
                f"{self._directory} 已恢复可写。",
                str(self._directory),
            )
        )

    def _failed(self, problem: Words) -> None:
        if problem == self._problem:
            return
        self._problem = problem
        log.error("runtime_files_missing", problem=problem[0])
        self._bus.publish(
            AlertRaised(
                "storage",
                f"Files of the running service were removed and cannot be made anew: {problem[0]}. "
                "Whoever needs them (commands, the page's system tab, clients of a unix socket) "
                "does not reach it until: systemctl restart seacod.",
                f"运行中服务的文件被删除且无法重新创建：{problem[1]}。"
                "执行 systemctl restart seacod "
                "之前，依赖这些文件的命令行、网页系统页或 unix 套接字客户端无法访问服务。",
                str(self._directory),
            )
        )
