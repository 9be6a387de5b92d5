"""What is done about each crash of a worker: an alert with all that is known, and a dossier. Hears
of crashes on the bus; owned by `watches.py`. Recordings that keep causing them are `suspects.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from seacod.alerts.deduplicator import Deduplicator
from seacod.supervisor.bus import Bus, WorkerCrashed
from seacod.supervisor.watch import crashes
from seacod.supervisor.watch.memory_series import in_words
from seacod.supervisor.watch.replica_watch import ReplicaWatch

log = structlog.get_logger(__name__)


class CrashWatch:
    """The watch over crashes.

    Args:
        state: where the dossiers lie.
        replicas: whose memory goes into a dossier.
        deduplicator: who is told.
        evidence: figures and lines for a dossier.
        bus: tells of crashes.
    """

    def __init__(
        self,
        state: Path,
        replicas: Sequence[ReplicaWatch],
        deduplicator: Deduplicator,
        evidence: Callable[[], dict[str, Any]],
        bus: Bus,
    ) -> None:
        self._state = state
        self._replicas = replicas
        self._deduplicator = deduplicator
        self._evidence = evidence
        self._unwritten: asyncio.Queue[WorkerCrashed] = asyncio.Queue()
        bus.subscribe(WorkerCrashed, self._on_crash)

    async def run(self) -> None:
        """Write dossiers until cancelled."""
        while True:
            await self._keep(await self._unwritten.get())

    async def finish(self) -> None:
        """The service ends: write what there is."""
        while not self._unwritten.empty():
            await self._keep(self._unwritten.get_nowait())

    async def _keep(self, event: WorkerCrashed) -> None:
        memory = self._replicas[event.replica.number].memory.rows()
        await asyncio.to_thread(crashes.keep, self._state, event.crash, self._evidence(), memory)

    def _on_crash(self, event: WorkerCrashed) -> None:
        self._unwritten.put_nowait(event)
        crash, count = event.crash, event.crash.in_flight
        directory = crashes.directory_of(self._state, crash)
        kind = "worker_hung" if crash.kind == "hung" else "worker_crashed"
        lost = f"by its last beat, {count} requests were inside" if count else "it was idle"
        lost_zh = (
            f"最后一次心跳时有 {count} 个请求在处理" if count else "最后一次心跳时没有请求在处理"
        )
        self._deduplicator.raised(
            kind,
            f"The worker with pid {crash.pid} ended: {crash.cause}; {lost}. It is being replaced.",
            f"识别进程（pid {crash.pid}）已退出：{crash.cause}；{lost_zh}。正在恢复。",
            key=event.replica.name,
            exit_status=crash.status,
            last_recording=crash.running,
            served_seconds=None if crash.served_seconds is None else round(crash.served_seconds),
            memory_of_the_last_ten_minutes=in_words(self._replicas[event.replica.number].memory),
            dossier=str(directory),
            last_lines_of_the_worker=list(crash.last_lines),
            _picture=str(directory / crashes.PICTURE),
        )
