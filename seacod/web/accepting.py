"""Stops accepting on a listening socket without losing a connection. Nothing else.

`asyncio.Server.close` alone loses those the kernel has just handed over: until Python 3.12 the task
that makes their transport asserts that the server is still open, and what fails there is closed
unanswered (base_events.py, `Server._attach`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

# The loop needs one turn to make transports of what it accepted; this is many.
_TURNS_SECONDS = 0.05


async def stop_accepting(servers: Iterable[asyncio.AbstractServer]) -> None:
    """Accept nothing more; what was accepted is served. The sockets are closed on this side only:
    whoever else holds them goes on accepting."""
    loop = asyncio.get_running_loop()
    opened = [server for server in servers if isinstance(server, asyncio.Server)]
    for server in opened:
        for listening in server.sockets:
            loop.remove_reader(listening.fileno())
    await asyncio.sleep(_TURNS_SECONDS)
    for server in opened:
        server.close()
