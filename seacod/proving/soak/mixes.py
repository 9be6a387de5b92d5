"""Who does what in each mix. Everybody finishes what they have begun when its time is over."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import anyio

from seacod.proving.soak.timetable import Mix
from seacod.proving.soak.work import SoakClient

# Seconds of audio.
TWO_MINUTES = 120.0
LONG = 270.0
SHORT = 14.0
SPOKEN = 20.0
# Every length that is sent.
LENGTHS = (TWO_MINUTES, LONG, SHORT, SPOKEN)

_CLIENTS_A, _EVERY_SECONDS_A = 5, 3.0
_AT_ONCE_C, _PAUSE_SECONDS_C = 3, 5.0
_FILES_IN_BATCH = 5
_BATCH_EVERY_SECONDS = 20.0
_SINGLE_EVERY_SECONDS = 4.0
_SPEAK_EVERY_SECONDS = 5.0
# The page's system tab asks so often.
_LOOK_EVERY_SECONDS = 2.0
_LOAD_EVERY_SECONDS = 5.0

Deed = Callable[[], Awaitable[None]]


async def run(mix: Mix, worker: SoakClient, until: float) -> None:
    """Let everybody of a mix work until that time (time.monotonic())."""
    async with anyio.create_task_group() as people:

        def person(name: str, every_seconds: float, deed: Deed, delay: float = 0.0) -> None:
            people.start_soon(_again_and_again, every_seconds, deed, until, delay, name=name)

        if mix is Mix.A:
            for number in range(_CLIENTS_A):
                # People do not begin in step.
                delay = number * _EVERY_SECONDS_A / _CLIENTS_A
                person(
                    f"a-{number}",
                    _EVERY_SECONDS_A,
                    lambda: worker.recording(mix, TWO_MINUTES),
                    delay,
                )
        elif mix is Mix.B:
            person("b-batch", _BATCH_EVERY_SECONDS,
                   lambda: worker.batch(mix, _FILES_IN_BATCH, SHORT))  # fmt: skip
            person("b-single", _SINGLE_EVERY_SECONDS, lambda: worker.recording(mix, SHORT))
            person("b-live", _SPEAK_EVERY_SECONDS, lambda: worker.microphone(mix, SPOKEN))
            person("b-system", _LOOK_EVERY_SECONDS, lambda: worker.look(mix, "/system"))
            person("b-page", _LOAD_EVERY_SECONDS, lambda: worker.look(mix, "/"))
        elif mix is Mix.C:
            person("c", _PAUSE_SECONDS_C, lambda: _three_at_once(worker))
        await anyio.sleep(max(0.0, until - time.monotonic()))


async def _again_and_again(every_seconds: float, deed: Deed, until: float, delay: float) -> None:
    """A deed, and the next so long after the last began, or when it is done if that is later."""
    await anyio.sleep(delay)
    while (began := time.monotonic()) < until:
        await deed()
        pause = began + every_seconds - time.monotonic()
        await anyio.sleep(max(0.0, min(pause, until - time.monotonic())))


async def _three_at_once(worker: SoakClient) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(_AT_ONCE_C):
            group.start_soon(worker.recording, Mix.C, LONG)
