"""A task of the supervisor's that breaks is begun anew: none of those that are run so is worth the
service. For `daemon.py` and `watch/`; what serves requests is not run so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from seacod.metrics import SupervisorMetrics

log = structlog.get_logger(__name__)

# Before what broke is begun again.
_BROKEN_PAUSE_SECONDS = 5.0


async def kept_going(
    name: str, run: Callable[[], Awaitable[None]], metrics: SupervisorMetrics
) -> None:
    """Run it until it ends by itself. One that keeps breaking gives no heartbeat, and the
    supervisor as a whole is restarted by systemd's watchdog.

    Args:
        name: of the task.
        run: begins it.
        metrics: where it is counted.
    """
    # None so far is a figure, too.
    failures = metrics.watch_failures.labels(name)
    while True:
        try:
            await run()
        except Exception:
            log.exception("watch_broke", watch=name)
            failures.inc()
            await asyncio.sleep(_BROKEN_PAUSE_SECONDS)
        else:
            return
