"""Times of the Realtime API: since the first sound, whatever was said before."""

from __future__ import annotations

import asyncio
import contextlib
import json
from types import SimpleNamespace
from typing import Any, cast

from seacod.asr.live.session import FinalSentences
from seacod.transcript import Segment
from seacod.web.realtime.utterances import Utterances


def test_an_utterance_ends_after_it_began() -> None:
    async def story() -> dict[str, Any]:
        told: list[Any] = []

        async def tell(event: Any) -> None:
            told.append(json.loads(event) if isinstance(event, str) else event)

        async def committed(item: str) -> None:
            pass

        conversation = SimpleNamespace(
            tell=tell, committed=committed, sentence_gap="",
            wishes=SimpleNamespace(is_manual=False, wants_log_probabilities=False),
        )  # fmt: skip
        said = FinalSentences([Segment(10.5, 11.4, "好", 0.9)], 1.5)
        heard: asyncio.Queue[Any] = asyncio.Queue()
        for event in (said, None):
            heard.put_nowait(event)
        session = SimpleNamespace(events=heard)
        async with contextlib.AsyncExitStack() as stack:
            one = Utterances(cast(Any, conversation), cast(Any, session), stack, 10.0)
            await asyncio.wait_for(one._telling, 60)
        return {event["type"]: event for event in told}

    told = asyncio.run(story())
    assert told["input_audio_buffer.speech_started"]["audio_start_ms"] == 10_500
    assert told["input_audio_buffer.speech_stopped"]["audio_end_ms"] == 11_500
