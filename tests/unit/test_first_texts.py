"""Unfinished speech of a microphone: its first texts give way to whoever waits for the model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from seacod.asr.audio import SAMPLE_RATE, Samples
from seacod.asr.hotwords import Hotwords
from seacod.asr.live.session import LiveSession, PartialText
from seacod.asr.recognisers.base import Recognised, Recogniser
from seacod.asr.request import RecognitionRequest
from seacod.asr.scheduler import Scheduler

SECOND = bytes(2 * SAMPLE_RATE)


class Speaking:
    """A microphone in which somebody speaks and does not come to an end."""

    rate = SAMPLE_RATE

    def __init__(self) -> None:
        speech = np.zeros(2 * SAMPLE_RATE, dtype=np.float32)
        self.cutter = SimpleNamespace(open_speech=speech, needed_from=0, speech=0)

    def feed(self, sound: bytes) -> list[Any]:
        return []


class Model:
    """Hears something in everything."""

    def recognise(self, pieces: Sequence[Samples], *_: Any) -> list[Recognised]:
        return [Recognised("so far", ()) for _ in pieces]


def test_first_texts_are_made_only_while_nobody_else_waits() -> None:
    async def story() -> None:
        scheduler = Scheduler(lambda: cast(Recogniser, Model()), batch_seconds=8.0)
        await scheduler.start()
        others_wait = True
        with ThreadPoolExecutor(1) as thread:
            session = LiveSession(
                RecognitionRequest("somebody", Hotwords(())), cast(Any, Speaking()),
                cast(Any, None), scheduler, thread, is_idle=lambda: not others_wait,
                offset_seconds=0.0, partial_every_seconds=0.0,
            )  # fmt: skip
            async with session:
                for _ in range(5):
                    await session.feed(SECOND)
                # One that had been asked for would be there: the model hears it at once.
                await scheduler.submit(
                    RecognitionRequest("other", Hotwords(())), np.zeros(8, dtype=np.float32)
                )
                assert session.events.empty()
                others_wait = False
                await session.feed(SECOND)
                told = await asyncio.wait_for(session.events.get(), 60)
        assert isinstance(told, PartialText)
        assert told.text == "so far"
        scheduler.stop()

    asyncio.run(story())
