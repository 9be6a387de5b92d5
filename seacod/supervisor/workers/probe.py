"""Asks, as a client would, whether a worker answers: through the listening socket, or where
several serve behind it at the worker's own socket.

One task of the supervisor for each worker; what it finds becomes a `Probed` event. Decides nothing.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from seacod import __version__
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats
from seacod.supervisor.workers.events import Probed
from seacod.supervisor.workers.lifecycle import Lifecycle
from seacod.system.acceptor import OUT_OF_DESCRIPTORS
from seacod.system.waiting import wait_at_most

log = structlog.get_logger(__name__)

PATH = "/health/live"
_HEAD_LIMIT_BYTES = 16 * 1024
# How often is looked whether probing has been switched on.
_LOOK_SECONDS = 5.0


class OutOfDescriptors(Exception):
    """The supervisor itself has no descriptor left."""


async def probe_forever(
    life: Lifecycle, url: str, settings: SettingsHolder, heartbeats: TaskHeartbeats
) -> None:
    """Probe the worker of one replica again and again.

    Args:
        life: the life of that replica.
        url: the service's, where its only worker answers. Of several workers each is asked at its
            own socket: through the shared one it would be answered by whoever is quicker.
        settings: an interval of 0 means that nothing is asked.
        heartbeats: where proof of life is shown.
    """
    replica = life.replica

    def asked() -> float:
        return settings.current.supervisor.probe_interval_seconds or _LOOK_SECONDS

    while True:
        now, interval = settings.current.supervisor, asked()
        heartbeats.expect(replica.named("probe"), interval + now.probe_timeout_seconds)
        slot = life.slot
        if now.probe_interval_seconds and slot is not None:
            where = settings.paths.worker_socket(slot) if replica.count > 1 else url
            try:
                problem = await probe(where, now.probe_timeout_seconds)
            except OutOfDescriptors as error:
                # Our own want, which says nothing of the worker.
                log.error("probe_not_sent", error=str(error))
                await wait_at_most(interval, asked)
                continue
            # The worker may have gone meanwhile; then this says nothing about the next one.
            if life.slot == slot:
                life.events.put(Probed(problem))
        await wait_at_most(interval, asked)


async def probe(where: str | Path, timeout_seconds: float) -> str | None:
    """One request.

    Args:
        where: a URL, or the path of a unix socket.

    Returns:
        None when a worker answered 200, otherwise what happened, in a few words.

    Raises:
        OutOfDescriptors: this process cannot ask.
    """
    try:
        return await asyncio.wait_for(_ask(where), timeout_seconds)
    except asyncio.TimeoutError:
        return f"no answer within {timeout_seconds:g} s"
    except OSError as error:
        if error.errno in OUT_OF_DESCRIPTORS:
            raise OutOfDescriptors(error.strerror) from None
        return error.strerror or type(error).__name__


async def _ask(where: str | Path) -> str | None:
    if isinstance(where, Path):
        host = "localhost"
        reader, writer = await asyncio.open_unix_connection(str(where), limit=_HEAD_LIMIT_BYTES)
    else:
        address = urlsplit(where)
        host = address.hostname or ""
        reader, writer = await asyncio.open_connection(
            host, address.port or 80, limit=_HEAD_LIMIT_BYTES
        )
    try:
        writer.write(
            f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: seacod-probe/{__version__}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        await writer.drain()
        line = (await reader.readline()).decode("latin-1").strip()
    finally:
        writer.close()
    status = line.split(" ")[1:2]
    return None if status == ["200"] else f"answered {line[:60]!r}"
