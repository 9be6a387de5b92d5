"""Asks, as a client would, whether a worker answers: through the service's very sockets, or where
several serve behind them at the worker's own. By no proxy and no name.

One task of the supervisor for each worker; what it finds becomes a `Probed` event. Decides nothing.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Sequence

import structlog

from seacod import __version__
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats
from seacod.supervisor.workers.events import Probed
from seacod.supervisor.workers.lifecycle import Lifecycle
from seacod.system.net.acceptor import OUT_OF_DESCRIPTORS
from seacod.system.net.listen_address import ReachableAddress
from seacod.system.processes.waiting import wait_at_most

log = structlog.get_logger(__name__)

PATH = "/health/live"
_HEAD_LIMIT_BYTES = 16 * 1024
# How often is looked whether probing has been switched on.
_LOOK_SECONDS = 5.0
# An interface that went down, the path of a unix socket that somebody has removed, a firewall.
_NO_WAY = (
    errno.EADDRNOTAVAIL, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH, errno.ENODEV,
    errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EAFNOSUPPORT,
)  # fmt: skip


class CannotAsk(Exception):
    """What keeps the supervisor from asking, and says nothing of the worker."""


async def probe_forever(
    life: Lifecycle,
    targets: Sequence[ReachableAddress],
    settings: SettingsHolder,
    heartbeats: TaskHeartbeats,
) -> None:
    """Probe the worker of one replica again and again.

    Args:
        life: the life of that replica.
        targets: the service's own sockets, where its only worker answers. Of several workers each
            is asked at its own socket: through the shared ones it would be answered by whoever is
            quicker.
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
            own = [ReachableAddress.unix(str(settings.paths.worker_socket(slot)))]
            try:
                problem = await probe(
                    own if replica.count > 1 else targets, now.probe_timeout_seconds
                )
            except CannotAsk as error:
                log.error("probe_not_sent", error=str(error))
                await wait_at_most(interval, asked)
                continue
            # The worker may have gone meanwhile; then this says nothing about the next one.
            if life.slot == slot:
                life.events.put(Probed(problem))
        await wait_at_most(interval, asked)


async def probe(targets: Sequence[ReachableAddress], timeout_seconds: float) -> str | None:
    """One request, at the first target that can be connected to.

    Args:
        targets: where.
        timeout_seconds: for all of it.

    Returns:
        None when a worker answered 200, otherwise what happened, in a few words.

    Raises:
        CannotAsk: none of them can be reached from here, or this process has no descriptor left.
    """
    try:
        return await asyncio.wait_for(_ask_first(targets), timeout_seconds)
    except asyncio.TimeoutError:
        return f"no answer within {timeout_seconds:g} s"
    except OSError as error:
        return error.strerror or type(error).__name__


async def _ask_first(targets: Sequence[ReachableAddress]) -> str | None:
    unreached = ""
    for target in targets:
        try:
            connection = await _connected(target)
        except OSError as error:
            if error.errno in OUT_OF_DESCRIPTORS:
                raise CannotAsk(error.strerror) from None
            if not _is_about_the_way(target, error):
                raise
            unreached = f"{target.url}: {error.strerror}"
            continue
        return await _ask(target, connection)
    raise CannotAsk(unreached)


def _is_about_the_way(target: ReachableAddress, error: OSError) -> bool:
    """Whether a connection failed for an address that is gone, not for who listens there."""
    is_replaced = target.family == socket.AF_UNIX and error.errno == errno.ECONNREFUSED
    return is_replaced or error.errno in _NO_WAY


async def _connected(target: ReachableAddress) -> socket.socket:
    connection = socket.socket(target.family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, target.address)
    except BaseException:
        connection.close()
        raise
    return connection


async def _ask(target: ReachableAddress, connection: socket.socket) -> str | None:
    reader, writer = await asyncio.open_connection(sock=connection, limit=_HEAD_LIMIT_BYTES)
    try:
        writer.write(
            f"GET {PATH} HTTP/1.1\r\nHost: {target.host}\r\n"
            f"User-Agent: seacod-probe/{__version__}\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        line = (await reader.readline()).decode("latin-1").strip()
    finally:
        writer.close()
    status = line.split(" ")[1:2]
    return None if status == ["200"] else f"answered {line[:60]!r}"
