"""Partial results while a recording is recognised, as server-sent events.

What is refused is refused with its status: the answer begins only when the recording was found fit
and has its turn, or, for those who want to see the queue, its place in it. An error after that is
an event of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Protocol

from fastapi import Request
from starlette.responses import StreamingResponse

from seacod.asr.request import OnProgress, OnSegments, RecognitionProgress
from seacod.errors import ClientGone, SeacodError
from seacod.system.processes.waiting import end_task
from seacod.transcript import Segment, Transcript
from seacod.web.disconnect import disconnected
from seacod.web.rendering import rendered

# Proxies close a connection on which nothing comes.
_KEEP_ALIVE_SECONDS = 15.0

Event = RecognitionProgress | list[Segment] | Transcript


class Work(Protocol):
    """`TranscriptionService.transcribe` with every argument bound but its two listeners."""

    def __call__(
        self, *, on_progress: OnProgress, on_segments: OnSegments
    ) -> Coroutine[Any, Any, Transcript]: ...


@dataclass(frozen=True, slots=True)
class Failed:
    """The recording could not be recognised to its end."""

    error: SeacodError


async def events(
    request: Request, work: Work, *, shows_queue: bool = False
) -> AsyncGenerator[Event | Failed | None, None]:
    """Do the work and yield what happens, the transcript last; None when nothing happened for a
    while.

    Args:
        request: the work is given up when its client goes away.
        work: recognises the recording.
        shows_queue: begin when the recording waits for its turn, not when it has it.

    Raises:
        SeacodError: the recording was refused before anything was recognised.
        ClientGone: the client went away.
    """
    news: asyncio.Queue[Event | None] = asyncio.Queue()
    task = asyncio.ensure_future(work(on_progress=news.put_nowait, on_segments=news.put_nowait))
    task.add_done_callback(lambda _: news.put_nowait(None))
    gone = asyncio.ensure_future(disconnected(request))
    gone.add_done_callback(lambda _: news.put_nowait(None))
    has_begun = False
    begins_with = ("queued", "recognising") if shows_queue else ("recognising",)
    try:
        while True:
            try:
                event = await asyncio.wait_for(news.get(), _KEEP_ALIVE_SECONDS)
            except asyncio.TimeoutError:
                yield None
                continue
            if event is not None:
                if (
                    has_begun
                    or not isinstance(event, RecognitionProgress)
                    or event.stage in begins_with
                ):
                    has_begun = True
                    yield event
            elif task.done():
                error = task.exception()
                if isinstance(error, SeacodError) and has_begun:
                    yield Failed(error)
                elif error is not None:
                    raise error
                else:
                    yield task.result()
                return
            elif gone.done():
                raise ClientGone("the client went away", "客户端已断开连接")
    finally:
        gone.cancel()
        await end_task(task)


async def answer(
    source: AsyncGenerator[Event | Failed | None, None],
    write: Callable[[Event | Failed], str],
    after: contextlib.AsyncExitStack,
) -> StreamingResponse:
    """Wait for the first event, then begin the response.

    Args:
        source: from `events`.
        write: an event in the protocol of the route; empty for nothing.
        after: closed when the answer is over, whatever its end.
    """
    try:
        first = await anext(source)
    except BaseException:
        await source.aclose()
        await after.aclose()
        raise

    async def body() -> AsyncIterator[str]:
        try:
            event = first
            while True:
                if event is None:
                    yield ": still here\n\n"
                elif isinstance(event, Transcript):
                    yield await rendered(event, partial(write, event))
                else:
                    yield write(event)
                try:
                    event = await anext(source)
                except (StopAsyncIteration, ClientGone):
                    return
        finally:
            await source.aclose()
            await after.aclose()

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(body(), media_type="text/event-stream", headers=headers)


def sent(data: dict[str, Any], name: str | None = None) -> str:
    """One server-sent event as text."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n"


def progress_json(progress: RecognitionProgress) -> dict[str, Any]:
    return {k: v for k, v in asdict(progress).items() if v is not None}
