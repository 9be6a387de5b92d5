"""What `seacod status` shows: one JSON object, written to whoever connects to the unix socket.

Read-only. The client's side is in `seacod/client.py`.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seacod.supervisor.lifecycle import Report


def snapshot(report: Report, *, started_at: float, version: str, url: str) -> dict[str, Any]:
    """The state of the service as plain values. Times are Unix seconds."""
    beat = report.beat
    return {
        "version": version,
        "pid": os.getpid(),
        "since": started_at,
        "url": url,
        "state": report.state.value,
        "worker": {
            "pid": report.pid,
            "state": report.state.value,
            "since": report.since,
            "stage": report.stage,
            "model": report.model,
            "device": report.device,
        },
        "restarts": {
            "count": report.restarts,
            "last_causes": report.last_causes,
            "last_away_seconds": report.last_away_seconds,
        },
        "in_flight": beat.in_flight if beat else 0,
        "queue_depth": beat.queue_depth if beat else 0,
    }


class StatusSocket:
    """The unix socket in the runtime directory."""

    def __init__(self, path: Path, take_snapshot: Callable[[], dict[str, Any]]) -> None:
        self._path = path
        self._take_snapshot = take_snapshot
        self._server: asyncio.AbstractServer | None = None

    async def open(self) -> None:
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._answer, path=str(self._path))
        # The group may look (systemd's unit gives it to operators), others may not.
        self._path.chmod(0o660)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(json.dumps(self._take_snapshot(), ensure_ascii=False).encode() + b"\n")
            await asyncio.wait_for(writer.drain(), 5.0)
        except (OSError, asyncio.TimeoutError):
            pass
        finally:
            writer.close()
