"""Answers written beside the event loop where that takes long: subtitles of four hours are seconds
of arithmetic. Called by the routes with a transcript in hand; knows no format."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from seacod.system.processes.threads import on_thread
from seacod.transcript import Transcript

T = TypeVar("T")

_THREAD = "seacod-writing"
# What is shorter is written at once, in about 10 ms.
_SHORT_CHARACTERS = 300
_FEW_SEGMENTS = 50


async def rendered(transcript: Transcript, render: Callable[[], T]) -> T:
    """What `render` makes of a transcript, on a thread of its own where the text is long."""
    is_short = len(transcript.text) <= _SHORT_CHARACTERS
    if is_short and len(transcript.segments) <= _FEW_SEGMENTS:
        return render()
    return await on_thread(_THREAD, render)
