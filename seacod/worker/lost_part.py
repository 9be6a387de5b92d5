"""The end of a worker that has lost a part without which it serves nobody: at once, with the part's
name in the log, instead of when the supervisor has waited long enough.

Called by `application.py`, for its tasks and for the inference thread.
"""

from __future__ import annotations

import asyncio
import os

import structlog

from seacod import logs
from seacod.errors import EX_SOFTWARE

log = structlog.get_logger(__name__)


def end_worker(part: str, error: BaseException | None) -> None:
    """End this process; on any thread.

    Args:
        part: what was lost, in the log's words.
        error: what ended it; None where it came to its end by itself.
    """
    log.critical("worker_part_lost", part=part, exc_info=error)
    logs.flush()
    # Whatever else runs here runs for nobody.
    os._exit(EX_SOFTWARE)


def watch(task: asyncio.Future[None], part: str) -> None:
    """End this process when the task ends and was not cancelled."""

    def ended(task: asyncio.Future[None]) -> None:
        if not task.cancelled():
            end_worker(part, task.exception())

    task.add_done_callback(ended)
