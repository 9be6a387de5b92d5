"""Asks through the front door, as a client would, whether the worker answers.

One task of the supervisor; what it finds becomes a `Probed` event. Decides nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from seacod import __version__

PATH = "/health/live"
_HEAD_LIMIT_BYTES = 16 * 1024


async def probe_forever(
    url: str,
    *,
    interval_seconds: float,
    timeout_seconds: float,
    is_wanted: Callable[[], bool],
    tell: Callable[[str | None], None],
    touch: Callable[[], None],
) -> None:
    """Probe again and again.

    Args:
        url: of the front door.
        interval_seconds: between two probes.
        timeout_seconds: when one has failed.
        is_wanted: whether a worker serves; otherwise nothing is asked.
        tell: gets None for an answer, else what was wrong.
        touch: called each time round, as proof of life.
    """
    while True:
        touch()
        if is_wanted():
            problem = await probe(url, timeout_seconds)
            # The worker may have gone meanwhile; then this says nothing about the next one.
            if is_wanted():
                tell(problem)
        await asyncio.sleep(interval_seconds)


async def probe(url: str, timeout_seconds: float) -> str | None:
    """One request.

    Returns:
        None when a worker answered 200, otherwise what happened, in a few words.
    """
    address = urlsplit(url)
    try:
        return await asyncio.wait_for(
            _ask(address.hostname or "", address.port or 80), timeout_seconds
        )
    except asyncio.TimeoutError:
        return f"no answer within {timeout_seconds:g} s"
    except OSError as error:
        return error.strerror or type(error).__name__


async def _ask(host: str, port: int) -> str | None:
    reader, writer = await asyncio.open_connection(host, port, limit=_HEAD_LIMIT_BYTES)
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
