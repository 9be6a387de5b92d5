"""A blocking call on a thread of its own, with a name, from the event loop.

Not by the loop's executor, which is waited for when the process ends: the thread is a daemon, so a
call that never comes back keeps nothing from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def on_thread(name: str, call: Callable[[], T]) -> asyncio.Future[T]:
    """Begin the call; what it returns or raises is the future's."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def deliver(result: list[T], error: Exception | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result[0])

    def work() -> None:
        result: list[T] = []
        failure: Exception | None = None
        try:
            result.append(call())
        except Exception as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
            loop.call_soon_threadsafe(deliver, result, failure)

    threading.Thread(target=work, name=name, daemon=True).start()
    return answer
