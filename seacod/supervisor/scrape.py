"""What is true at the moment of a scrape: each figure is one row, with its name and meaning."""

from __future__ import annotations

import os
import sqlite3
import time
from dataclasses import dataclass

import psutil

from seacod.metrics.present import PresentFigure
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.watch.watches import Watches
from seacod.supervisor.workers.host_memory import resident_bytes
from seacod.supervisor.workers.replicas import Replicas
from seacod.supervisor.workers.report import NurseryProcess, Report
from seacod.supervisor.workers.states import ServiceState
from seacod.system.processes.cpu_use import CpuUse

# Several servers may scrape; the page's last hour has one of its own.
_cpu_use = CpuUse()


@dataclass(frozen=True, slots=True)
class ServiceView:
    """What the figures are read from.

    `nursery`: what the next worker is forked from. `watchdog_at`: when systemd was last told that
    we live, on the monotonic clock. `is_paused`: by an operator.
    """

    settings: SettingsHolder
    workers: Replicas
    nursery: NurseryProcess | None
    watches: Watches
    watchdog_at: float | None
    is_paused: bool

    @property
    def reports(self) -> list[Report]:
        """Of each replica."""
        return [life.report for life in self.workers.lives]

    @property
    def serving(self) -> Report | None:
        """The worker in front, while it serves."""
        report = self.workers.report
        return report if report.state is ServiceState.SERVING else None


def _beat_age(view: ServiceView) -> float | None:
    heard_at = view.serving.beat_at if view.serving else None
    return None if heard_at is None else time.monotonic() - heard_at


def _oldest_request(view: ServiceView) -> float | None:
    beat = view.serving.beat if view.serving else None
    return None if beat is None else beat.oldest_seconds


def _watchdog_age(view: ServiceView) -> float | None:
    return None if view.watchdog_at is None else time.monotonic() - view.watchdog_at


def _memory(view: ServiceView) -> dict[str, int]:
    """Resident bytes by role, what several share with each; several workers are one sum."""
    pids = [("supervisor", os.getpid())]
    for report in view.reports:
        if report.pid is not None:
            pids.append(("worker", report.pid))
    nursery = view.nursery
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


def _outbox(view: ServiceView) -> int | None:
    try:
        return view.watches.alerting.outbox.depth()
    except sqlite3.Error:
        return None


# Quick, all of them: they are read on the event loop.
FIGURES: tuple[PresentFigure[ServiceView], ...] = (
    PresentFigure(
        "system_cpu_usage_percent", "Use of all processors, 0 to 100",
        lambda view: _cpu_use.percent(),
    ),
    PresentFigure(
        "system_memory_usage_percent", "Memory that is not available, 0 to 100",
        lambda view: psutil.virtual_memory().percent,
    ),
    PresentFigure(
        "seacod_process_memory_bytes",
        "Resident memory of our processes: supervisor, workers, nursery with the next worker",
        _memory, "process",
    ),
    PresentFigure(
        "seacod_disk_free_bytes", "Free space where uploads, batches and the state lie",
        lambda view: view.watches.housekeeping.free_at, "place",
    ),
    PresentFigure(
        "seacod_jobs_bytes", "What batches hold on the disk: recordings and results",
        lambda view: view.watches.housekeeping.jobs_bytes,
    ),
    PresentFigure(
        "seacod_workers", "Workers that are wanted (supervisor.workers)",
        lambda view: len(view.reports),
    ),
    PresentFigure(
        "seacod_workers_serving", "Workers that serve now",
        lambda view: sum(one.state is ServiceState.SERVING for one in view.reports),
    ),
    PresentFigure(
        "seacod_paused", "1 while nothing new is taken (seacod pause)",
        lambda view: view.is_paused,
    ),
    PresentFigure(
        "seacod_nursery_ready", "1 while the next worker could be forked at once",
        lambda view: view.nursery is not None and view.nursery.state == "ready",
    ),
    PresentFigure(
        "seacod_worker_beat_age_seconds", "Since the worker's last sign of life", _beat_age
    ),
    PresentFigure(
        "seacod_oldest_request_seconds",
        "How long the oldest request in the worker has been there", _oldest_request,
    ),
    PresentFigure(
        "seacod_watchdog_age_seconds", "Since systemd was last told that we live", _watchdog_age
    ),
    PresentFigure(
        "seacod_alert_outbox_messages", "Alert messages that wait for delivery", _outbox
    ),
    PresentFigure(
        "seacod_queue_length", "Requests that may wait (limits.queue_length)",
        lambda view: view.settings.current.limits.queue_length,
    ),
)  # fmt: skip
