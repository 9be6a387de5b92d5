"""What `seacod status` shows, and what the page's system tab does: one JSON object each, written to
whoever connects to its unix socket.

Read-only. The clients' sides are in `seacod/client/status_socket.py` and
`seacod/web/supervisor_client.py`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seacod import __version__
from seacod.alerts.alert import SHOWN_MESSAGES, as_plain
from seacod.alerts.kinds import KINDS
from seacod.alerts.outbox import Outbox
from seacod.config.load import SettingsSource
from seacod.pause import Pause
from seacod.supervisor.metrics_server import MetricsServer
from seacod.supervisor.reload import Reloader
from seacod.supervisor.replica import Replica
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.sockets.listener import Listeners
from seacod.supervisor.watch.watches import Watches
from seacod.supervisor.workers.replicas import Replicas
from seacod.supervisor.workers.report import NurseryProcess, OtherProcess, Report
from seacod.system.files.file_identity import Identity, identity
from seacod.system.text.masking import masked_deep

_SHOWN_ALERTS = 10


def snapshot(
    workers: Replicas,
    nursery: NurseryProcess | None,
    watches: Watches,
    settings: SettingsHolder,
    source: SettingsSource,
    *,
    started_at: float,
    listeners: Listeners,
    metrics: MetricsServer | None,
    reloads: Reloader,
    pause: Pause | None,
) -> dict[str, Any]:
    """The state of the service as plain values. Times are Unix seconds."""
    report, gpus = workers.report, watches.gpus
    beat = report.beat
    return {
        "version": __version__,
        "pid": os.getpid(),
        "since": started_at,
        "url": listeners.local_url,
        "listening": listeners.described(),
        "funasr_url": listeners.funasr_url(settings.current.server.funasr_tls),
        "state": report.state.value,
        "pause": None if pause is None else dataclasses.asdict(pause),
        "settings_from": source.told(),
        "paths": {name: str(path) for name, path in dataclasses.asdict(settings.paths).items()},
        "metrics": {
            "url": metrics.url,
            "scraped_at": metrics.scraped_at,
            "scraped_by": metrics.scraped_by,
        }
        if metrics is not None
        else None,
        "worker": _face(report),
        "workers": [_worker(life.replica, life.report) for life in workers.lives],
        "nursery": _beside(nursery),
        "replacement": _beside(report.replacement),
        "leaving": report.leaving,
        "restarts": {
            "count": report.restarts,
            "last_causes": report.last_causes,
            "last": [dataclasses.asdict(restart) for restart in report.last_restarts],
            "last_away_seconds": report.last_away_seconds,
            "total_away_seconds": report.total_away_seconds,
        },
        "in_flight": beat.in_flight if beat else 0,
        "queue_depth": beat.queue_depth if beat else 0,
        "running": beat.running if beat else "",
        "gpu": {
            "state": gpus.state.value,
            "read_at": gpus.read_at or None,
            "gpus": [dataclasses.asdict(gpu) for gpu in gpus.gpus],
            "lost": list(gpus.lost),
            "full_by_others": sorted(watches.full_by_others()),
        },
        "reload": {
            "number": reloads.number,
            "state": reloads.state.value,
            "problem": reloads.problem[0],
            "problem_zh": reloads.problem[1],
            "live": list(reloads.changed.live),
            "replaced": list(reloads.changed.replace),
            "needs_restart": list(reloads.changed.restart),
        },
        "alerts": _alerts(watches.alerting.outbox),
        "notices": [dataclasses.asdict(notice) for notice in report.notices],
    }


def for_page(
    workers: Replicas, nursery: NurseryProcess | None, watches: Watches, started_at: float
) -> dict[str, Any]:
    """What only the supervisor knows and people at the page may see. Times are Unix seconds."""
    report, gpu = workers.report, watches.gpu_in_use()
    ratio = gpu.utilization_ratio if gpu is not None else None
    return {
        "since": started_at,
        "state": report.state.value,
        "workers": len(workers.lives),
        "workers_serving": workers.serving(),
        # Of all workers together, by their last beats.
        "in_flight": report.beat.in_flight if report.beat is not None else 0,
        "queue_depth": report.beat.queue_depth if report.beat is not None else 0,
        "restarts": {
            "count": report.restarts,
            "last": [dataclasses.asdict(restart) for restart in report.last_restarts],
            "total_away_seconds": report.total_away_seconds,
        },
        "nursery": nursery.state if nursery is not None else None,
        "gpu": None
        if gpu is None
        else {
            "name": gpu.name,
            "used_bytes": gpu.used_bytes,
            "total_bytes": gpu.total_bytes,
            "utilisation_percent": None if ratio is None else round(100 * ratio),
        },
        "alerts": _last_alerts(watches.alerting.outbox),
        "history": watches.history.as_lists(),
    }


def _last_alerts(outbox: Outbox) -> list[dict[str, Any]]:
    try:
        return [
            {
                "at": told_at,
                "kind": kind,
                "title": KINDS[kind].english,
                "title_zh": KINDS[kind].chinese,
                "is_open": is_open and KINDS[kind].has_recovery,
            }
            for kind, _, told_at, is_open in outbox.recent_alerts(_SHOWN_ALERTS)
            if kind in KINDS
        ]
    except sqlite3.Error:
        return []


def _alerts(outbox: Outbox) -> dict[str, Any] | None:
    """What waits and what is not over; None when the outbox cannot be read."""
    try:
        return {
            "waiting": outbox.depth(),
            "open": [
                {"kind": kind, "key": key, "since": since}
                for kind, key, since in outbox.open_until_over()
            ],
            "unwritten": [as_plain(one) for one in outbox.recent(SHOWN_MESSAGES)]
            if outbox.is_in_memory
            else None,
        }
    except sqlite3.Error:
        return None


def _face(report: Report) -> dict[str, Any]:
    """Who serves, or is to serve."""
    return {
        "pid": report.pid,
        "state": report.state.value,
        "since": report.began.unix_seconds,
        "stage": report.stage[0],
        "stage_zh": report.stage[1],
        "last_start_seconds": report.last_start_seconds,
        "model": report.model,
        "device": report.device,
    }


def _worker(replica: Replica, report: Report) -> dict[str, Any]:
    beat = report.beat
    return {
        "number": replica.number + 1,
        "gpu": replica.gpu.uuid if replica.gpu is not None else None,
        **_face(report),
        "restarts": report.restarts,
        "in_flight": beat.in_flight if beat else 0,
        "queue_depth": beat.queue_depth if beat else 0,
        "answered": beat.answered if beat else 0,
    }


def _beside(process: OtherProcess | None) -> dict[str, Any] | None:
    return None if process is None else dataclasses.asdict(process)


class StatusSocket:
    """The unix socket in the runtime directory."""

    def __init__(self, path: Path, take_snapshot: Callable[[], dict[str, Any]]) -> None:
        self.path = path
        self._take_snapshot = take_snapshot
        self._server: asyncio.AbstractServer | None = None
        self._made: Identity | None = None

    async def open(self) -> None:
        """Listen there, and nowhere else.

        Raises:
            OSError: it cannot be made; where it listened before it does still.
        """
        self.path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._answer, path=str(self.path))
        # The group may look (systemd's unit gives it to operators), others may not.
        self.path.chmod(0o660)
        self._made = identity(self.path)
        if self._server is not None:
            self._server.close()
        self._server = server

    def is_there(self) -> bool:
        """Whether somebody who asks there reaches us."""
        return identity(self.path) == self._made

    async def remake(self) -> None:
        """Listen there anew: somebody has removed the socket; raises as `open`."""
        await self.open()

    async def remove(self) -> None:
        """At the end of the service.

        Raises:
            OSError: its path cannot be removed; nobody listens there any more.
        """
        if self._server is not None:
            self._server.close()
            self.path.unlink(missing_ok=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            snapshot = masked_deep(self._take_snapshot())
            writer.write(json.dumps(snapshot, ensure_ascii=False).encode() + b"\n")
            await asyncio.wait_for(writer.drain(), 5.0)
        except (OSError, asyncio.TimeoutError):
            pass
        finally:
            writer.close()
