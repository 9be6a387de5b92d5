"""Whether new work should come to this worker: what `/health/ready` says.

The worker process writes it, the routes read it. Recognition knows nothing of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Literal

from seacod.pause import Pause


class Readiness:
    """Ready until a stop is announced (load balancers are told, everybody is served) or a drain
    has begun (requests that are inside, or come on an open connection, are still served), and not
    while the service is paused (what is inside is finished, what is new is refused).
    """

    def __init__(self) -> None:
        self.is_retiring = False
        self.draining = asyncio.Event()
        # While an operator lets nothing new be taken.
        self.pause: Pause | None = None
        # Work that is no request of its own, and that a drain waits for all the same.
        self.left = 0

    @contextlib.contextmanager
    def unfinished(self) -> Iterator[None]:
        """A drain waits for the block."""
        self.left += 1
        try:
            yield
        finally:
            self.left -= 1

    @property
    def status(self) -> Literal["ok", "paused", "retiring", "draining"]:
        if self.draining.is_set():
            return "draining"
        if self.is_retiring:
            return "retiring"
        return "paused" if self.pause is not None else "ok"
