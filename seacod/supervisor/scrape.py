"""What is true at the moment of a scrape; see `seacod/metrics/supervisor.py` for what it means."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence

import psutil

from seacod.metrics import Present
from seacod.paths import free_bytes
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.watch.watches import Watches
from seacod.supervisor.workers.host_memory import resident_bytes
from seacod.supervisor.workers.replicas import Replicas
from seacod.supervisor.workers.report import NurseryProcess, Report
from seacod.supervisor.workers.states import ServiceState
from seacod.system.processes.cpu_use import CpuUse

# Several servers may scrape; the page's last hour has one of its own.
_cpu_use = CpuUse()


def snapshot(
    settings: SettingsHolder,
    workers: Replicas,
    nursery: NurseryProcess | None,
    watches: Watches,
    watchdog_at: float | None,
    *,
    is_paused: bool,
) -> Present:
    """Figures of the machine and the service. Quick: it runs on the event loop.

    Args:
        settings: the holder of the settings.
        workers: all workers, whose reports are shown.
        nursery: what the next one is forked from.
        watches: what else is known.
        watchdog_at: when systemd was last told that we live, on the monotonic clock.
        is_paused: whether an operator has paused the service.
    """
    reports, whole = [life.report for life in workers.lives], workers.report
    is_serving = whole.state is ServiceState.SERVING
    beat = whole.beat if is_serving else None
    heard_at = whole.beat_at if is_serving else None
    memory = psutil.virtual_memory()
    now = time.monotonic()
    delivery = watches.alerting.delivery
    return Present(
        cpu_percent=_cpu_use.percent(),
        memory_percent=memory.percent,
        memory_bytes=_memory(reports, nursery),
        disk_free_bytes=free_bytes(settings.paths.temp),
        jobs_bytes=watches.housekeeping.jobs_bytes,
        workers=len(reports),
        workers_serving=sum(one.state is ServiceState.SERVING for one in reports),
        is_paused=is_paused,
        nursery_is_ready=nursery is not None and nursery.state == "ready",
        beat_age_seconds=None if heard_at is None else now - heard_at,
        oldest_request_seconds=beat.oldest_seconds if beat is not None else None,
        watchdog_age_seconds=None if watchdog_at is None else now - watchdog_at,
        outbox_messages=_outbox(watches),
        queue_length=settings.current.limits.queue_length,
        deliveries={
            (channel, outcome): count
            for outcome, counts in (("delivered", delivery.delivered), ("failed", delivery.failed))
            for channel, count in counts.items()
        },
    )


def _memory(reports: Sequence[Report], nursery: NurseryProcess | None) -> dict[str, int]:
    """Resident bytes by role, what several share with each; several workers are one sum."""
    pids = [("supervisor", os.getpid())]
    for report in reports:
        if report.pid is not None:
            pids.append(("worker", report.pid))
    if nursery is not None:
        pids.append(("nursery", nursery.pid))
        if nursery.waiting_pid is not None:
            pids.append(("nursery", nursery.waiting_pid))
    sizes: dict[str, int] = {}
    for name, pid in pids:
        size = resident_bytes(pid)
        if size is not None:
            sizes[name] = sizes.get(name, 0) + size
    return sizes


def _outbox(watches: Watches) -> int | None:
    try:
        return watches.alerting.outbox.depth()
    except sqlite3.Error:
        return None
