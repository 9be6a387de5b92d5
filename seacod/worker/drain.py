"""A stop that loses nothing: accept no more, finish what is inside, close.

`worker/application.py` asks for it when the supervisor or SIGTERM does, and carries it out once.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from seacod import protocol
from seacod.web.readiness import Readiness
from seacod.worker.traffic import Traffic

if TYPE_CHECKING:
    from seacod.jobs.runner import Jobs
    from seacod.worker.serving import Server

# What is left when the time is over gets this long to be told, and then to be cut off.
_TELL_SECONDS = 1.0
_CUT_OFF_SECONDS = 3.0
# A recording that has not come whole when this part of the time is over will not be heard in the
# rest: whoever sends it is told then, and does not send the rest for nothing.
_UPLOADS_SHARE = 0.8


class Drain:
    """
    Args:
        readiness: told that it has begun.
        traffic: knows what is inside.
    """

    def __init__(self, readiness: Readiness, traffic: Traffic) -> None:
        self._readiness = readiness
        self._traffic = traffic
        self._timeout_seconds = 0.0
        self.asked = asyncio.Event()

    def ask(self, timeout_seconds: float) -> None:
        """Ask for the drain; asking again changes nothing."""
        if not self.asked.is_set():
            self._timeout_seconds = timeout_seconds
            self.asked.set()

    async def carry_out(
        self, server: Server, serving: asyncio.Future[None], jobs: Jobs
    ) -> protocol.Drained:
        """Drain within the time that was given.

        Args:
            server: stops accepting now, and answering at the end.
            serving: the task of the server.
            jobs: put back what they cannot finish.
        """
        await server.stop_accepting()
        self._readiness.draining.set()
        before = self._traffic.unanswered
        left, _ = await asyncio.gather(self._drained(), jobs.finish(self._timeout_seconds))
        server.should_exit = True
        if left:
            server.force_exit = True
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(serving), _CUT_OFF_SECONDS)
        await jobs.close()
        return protocol.Drained(max(0, before - left), left)

    async def _drained(self) -> int:
        """How many requests were not answered in the time; they were told so."""
        seconds = self._timeout_seconds
        if await self._traffic.drained(seconds * _UPLOADS_SHARE) == 0:
            return 0
        turned_away = self._traffic.turn_away(uploads_only=True)
        left = await self._traffic.drained(seconds * (1 - _UPLOADS_SHARE))
        self._traffic.turn_away()
        await self._traffic.drained(_TELL_SECONDS)
        return turned_away + left
