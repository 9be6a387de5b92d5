"""What is true at the moment of a scrape; see `seacod/metrics/supervisor.py` for what it means."""

from __future__ import annotations

import os
import sqlite3
import time

import psutil

from seacod.config.schema import Settings
from seacod.metrics import Present
from seacod.paths import Paths, free_bytes
from seacod.supervisor.memory import resident_bytes
from seacod.supervisor.report import Report
from seacod.supervisor.states import ServiceState, WorkerState
from seacod.supervisor.watches import Watches


def look(
    settings: Settings, paths: Paths, report: Report, watches: Watches, *, watchdog_at: float | None
) -> Present:
    """Figures of the machine and the service. Quick: it runs on the event loop.

    Args:
        watchdog_at: on the monotonic clock, when systemd was last told that we live.
    """
    is_serving = report.state is ServiceState.SERVING
    beat = report.beat if is_serving else None
    heard_at = report.beat_at if is_serving else None
    memory = psutil.virtual_memory()
    now = time.monotonic()
    delivery = watches.alerting.delivery
    return Present(
        cpu_percent=psutil.cpu_percent(),
        memory_percent=memory.percent,
        memory_bytes=_memory(report),
        disk_free_bytes=free_bytes(paths.temp),
        spare_is_warm=report.spare is not None and report.spare.state is WorkerState.WARM,
        beat_age_seconds=None if heard_at is None else now - heard_at,
        oldest_request_seconds=beat.oldest_seconds if beat is not None else None,
        watchdog_age_seconds=None if watchdog_at is None else now - watchdog_at,
        outbox_messages=_outbox(watches),
        queue_length=settings.limits.queue_length,
        deliveries={
            (channel, outcome): count
            for outcome, counts in (("delivered", delivery.delivered), ("failed", delivery.failed))
            for channel, count in counts.items()
        },
    )


def _memory(report: Report) -> dict[str, int]:
    pids = {
        "supervisor": os.getpid(),
        "worker": report.pid,
        "spare": report.spare.pid if report.spare is not None else None,
    }
    sizes = {name: resident_bytes(pid) for name, pid in pids.items() if pid is not None}
    return {name: size for name, size in sizes.items() if size is not None}


def _outbox(watches: Watches) -> int | None:
    try:
        return watches.alerting.outbox.depth()
    except sqlite3.Error:
        return None
