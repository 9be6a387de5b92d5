"""What is done about each crash of a worker: an alert with all that is known, and a dossier. Hears
of crashes on the bus; owned by `watches.py`. Recordings that keep causing them are `suspects.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from seacod.alerts.chinese import said
from seacod.supervisor.bus import AlertCleared, AlertRaised, Bus, StateChanged, WorkerCrashed
from seacod.supervisor.watch import crashes
from seacod.supervisor.watch.memory_series import in_words
from seacod.supervisor.watch.replica_watch import ReplicaWatch
from seacod.supervisor.workers.states import ServiceState, WorkerState

log = structlog.get_logger(__name__)


class CrashWatch:
    """The watch over crashes.

    Args:
        state: where the dossiers lie.
        replicas: whose memory goes into a dossier.
        evidence: figures and lines for a dossier.
        bus: tells of crashes, and takes alerts.
    """

    def __init__(
        self,
        state: Path,
        replicas: Sequence[ReplicaWatch],
        evidence: Callable[[], dict[str, Any]],
        bus: Bus,
    ) -> None:
        self._state = state
        self._replicas = replicas
        self._bus = bus
        self._evidence = evidence
        self._unwritten: asyncio.Queue[WorkerCrashed] = asyncio.Queue()
        # The worker of each replica for whom it was said that all is well again.
        self._well: dict[int, int | None] = {}
        bus.subscribe(WorkerCrashed, self._on_crash)
        bus.subscribe(StateChanged, self._on_state_changed)

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

    def _on_state_changed(self, event: StateChanged) -> None:
        """A worker that serves ends what was told of the one before, also by the supervisor before
        this one."""
        number, report = event.replica.number, self._replicas[event.replica.number].life.report
        if report.state is not ServiceState.SERVING or self._well.get(number) == report.pid:
            return
        self._well[number] = report.pid
        english, chinese = "A worker serves.", "识别进程正在服务。"
        if (away := report.last_away_seconds) is not None:
            english = f"A worker serves again after {away:.1f} s."
            chinese = f"{away:.1f} 秒后已恢复服务。"
        for kind in ("worker_crashed", "worker_hung"):
            self._bus.publish(AlertCleared(kind, english, chinese, event.replica.name))

    def _on_crash(self, event: WorkerCrashed) -> None:
        self._unwritten.put_nowait(event)
        if event.crash.in_state == WorkerState.STUCK.value:
            # It has not ended, and that was told.
            return
        crash, count = event.crash, event.crash.in_flight
        directory = crashes.directory_of(self._state, crash)
        kind = "worker_hung" if crash.kind == "hung" else "worker_crashed"
        inside = "1 request was" if count == 1 else f"{count} requests were"
        lost = f"by its last beat, {inside} inside" if count else "it was idle"
        lost_zh = (
            f"最后一次心跳时有 {count} 个请求在处理" if count else "最后一次心跳时没有请求在处理"
        )
        why, why_zh = crash.words
        english = f"The worker with pid {crash.pid} ended: {why}; {lost}. It is being replaced."
        chinese = f"识别进程（pid {crash.pid}）已退出：{why_zh}；{lost_zh}。正在恢复。"
        served = crash.served_seconds
        memory = in_words(self._replicas[event.replica.number].memory)
        evidence = {
            "exit_status": crash.status,
            "last_recording": crash.running,
            "served_seconds": None if served is None else round(served),
            **said("memory_of_the_last_ten_minutes", memory),
            "dossier": str(directory),
            "last_lines_of_the_worker": list(crash.last_lines),
            "_picture": str(directory / crashes.PICTURE),
        }
        self._bus.publish(AlertRaised(kind, english, chinese, event.replica.name, evidence))
