"""A client that goes away takes its work with it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

from seacod.errors import ClientGone
from seacod.system.processes.waiting import end_task

T = TypeVar("T")


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Wait for the result of `work`, which is given up when the client goes away.

    Args:
        request: its body must have been read.

    Raises:
        ClientGone: the client went away.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return await task
        # The place in the queue is free when this returns.
        await end_task(task)
        raise ClientGone("the client went away", "客户端已断开连接")
    finally:
        gone.cancel()
        task.cancel()


async def disconnected(request: Request) -> None:
    """Returns when the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
