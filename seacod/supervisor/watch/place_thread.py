"""Blocking questions to a place whose file system may hang: on a thread of its own, for which
nobody waits longer than half a minute; as long as one hangs there, no other is begun. Used by
`disk.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from seacod.system.processes.threads import on_thread

T = TypeVar("T")

PATIENCE_SECONDS = 30.0


class NoAnswerYet(Exception):
    """The place does not answer, now or since an earlier question."""


class PlaceThread:
    """One question at a time; lives on the event loop.

    Args:
        patience_seconds: so long an answer is waited for.
    """

    def __init__(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self._asked: asyncio.Future[Any] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether an earlier question has no answer yet."""
        return self._asked is not None and not self._asked.done()

    async def ask(self, call: Callable[[], T], late: Callable[[T], None] | None = None) -> T:
        """What the call returns; what it raises is raised.

        Args:
            call: blocking.
            late: is given the answer where it comes after all, when nobody waits any more.

        Raises:
            NoAnswerYet: it takes longer, or an earlier one does not come back.
        """
        if self.is_busy:
            raise NoAnswerYet
        self._asked = asked = on_thread("seacod-disk", call)
        done, _ = await asyncio.wait({asked}, timeout=self._patience_seconds)
        if done:
            return asked.result()

        def tell(answer: asyncio.Future[T]) -> None:
            if not answer.cancelled() and answer.exception() is None and late is not None:
                late(answer.result())

        asked.add_done_callback(tell)
        raise NoAnswerYet
