"""Asks through the front door, as a client would, whether the worker answers.

One task of the supervisor; what it finds becomes a `Probed` event. Decides nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from seacod import __version__
from seacod.config.schema import SupervisorSettings
from seacod.supervisor.pulse import Pulses

PATH = "/health/live"
_HEAD_LIMIT_BYTES = 16 * 1024
# How often is looked whether probing has been switched on.
_LOOK_SECONDS = 5.0


async def probe_forever(
    url: str,
    *,
    settings: Callable[[], SupervisorSettings],
    is_wanted: Callable[[], bool],
    tell: Callable[[str | None], None],
    pulses: Pulses,
) -> None:
    """Probe again and again.

    Args:
        url: of the front door.
        settings: asked each time round, since a reload may change them; an interval of 0 means
            that nothing is asked.
        is_wanted: whether a worker serves; otherwise nothing is asked either.
        tell: gets None for an answer, else what was wrong.
        pulses: where proof of life is shown.
    """
    while True:
        now = settings()
        interval = now.probe_interval_seconds or _LOOK_SECONDS
        pulses.expect("probe", interval + now.probe_timeout_seconds)
        if now.probe_interval_seconds and is_wanted():
            problem = await probe(url, now.probe_timeout_seconds)
            # The worker may have gone meanwhile; then this says nothing about the next one.
            if is_wanted():
                tell(problem)
        await asyncio.sleep(interval)


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
