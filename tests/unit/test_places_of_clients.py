"""Places that one client could hold for ever: it has to bring something, and leaves others some."""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, cast

import pytest

from seacod.asr.audio import SAMPLE_RATE
from seacod.asr.hotwords import Hotwords
from seacod.asr.live import session as live_session
from seacod.asr.live import sessions as live_sessions
from seacod.asr.live.session import LiveSession
from seacod.asr.live.sessions import LiveSessions
from seacod.asr.request import RecognitionRequest
from seacod.errors import BadRequest, QueueFull
from seacod.system.least_rate import LeastRate
from seacod.system.net.client_places import ClientPlaces, most_for

PATIENCE_SECONDS = 60


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_trickle_is_behind_and_enough_is_not() -> None:
    clock = Clock()
    rate = LeastRate(0.1, 120.0, clock)
    for _ in range(3):
        for _ in range(12):
            clock.now += 10
            with rate.taking(1.0):
                pass
        assert not rate.is_behind()
    for _ in range(12):
        assert not rate.is_behind()
        clock.now += 10
        with rate.taking(0.5):
            pass
    assert rate.is_behind()
    assert rate.came == 6.0


def test_what_takes_us_long_is_not_held_against_the_client() -> None:
    clock = Clock()
    rate = LeastRate(1.0, 10.0, clock)
    with rate.taking(1.0):
        clock.now += 500
        assert not rate.is_behind()
        assert rate.left_seconds == 10.0
    assert not rate.is_behind()
    assert rate.left_seconds == 10.0
    clock.now += 10
    assert rate.is_behind()


def test_who_has_no_place_finds_a_quarter_more() -> None:
    assert [most_for(n, has_any=False) for n in (0, 1, 3, 8, 20)] == [0, 2, 4, 10, 25]
    assert [most_for(n, has_any=True) for n in (0, 1, 8)] == [0, 1, 8]
    places = ClientPlaces()
    with ExitStack() as stack:
        while places.has_room("greedy", 8):
            stack.enter_context(places.held("greedy"))
        assert len(places) == 8
        assert places.has_room("other", 8)
        assert not places.has_room("other", 8, others=2)
        stack.enter_context(places.held("other"))
        assert not places.has_room("other", 8)
        assert places.has_room("third", 8)
    assert len(places) == 0
    assert places.has_room("greedy", 1)


class Quiet:
    """A microphone in which nobody speaks."""

    rate = SAMPLE_RATE

    def __init__(self) -> None:
        self.voice: Any = None
        self.cutter = SimpleNamespace(open_speech=(), needed_from=0, speech=0)

    def feed(self, sound: bytes) -> list[Any]:
        return []

    def finish(self) -> list[Any]:
        return []


def test_a_session_that_owes_sound_is_ended_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_session, "_OWED_WINDOW_SECONDS", 0.2)

    async def story() -> None:
        request = RecognitionRequest("somebody", Hotwords(()))
        with ThreadPoolExecutor(1) as thread:
            async with LiveSession(
                request, cast(Any, Quiet()), cast(Any, None),
                cast(Any, SimpleNamespace(give_up=lambda request: None)), thread,
                is_idle=lambda: True, offset_seconds=0.0,
            ) as session:  # fmt: skip
                ended = asyncio.ensure_future(session.events.get())
                until = time.monotonic() + PATIENCE_SECONDS
                while not ended.done() and time.monotonic() < until:
                    await session.feed(bytes(2))
                    await asyncio.sleep(0.02)
                error = ended.result()
                assert isinstance(error, BadRequest)
                assert "of sound came within" in str(error)
                # What still comes is not taken.
                await session.feed(bytes(2 * SAMPLE_RATE))
                assert session.seconds < 1

    asyncio.run(story())


def test_places_are_taken_when_they_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many that come at once are no more than there are places, whatever is waited for then."""
    going_on = asyncio.Event()

    class Words:
        async def of(self, words: str, client: str) -> Hotwords:
            await going_on.wait()
            raise BadRequest("enough seen", "已看到")

    monkeypatch.setattr(live_sessions, "CagedNetwork", lambda: SimpleNamespace(close=lambda: None))
    counted: list[int] = []
    counters = SimpleNamespace(
        begun=lambda *_: contextlib.nullcontext(), microphones=counted.append
    )
    settings = SimpleNamespace(
        limits=SimpleNamespace(live_sessions=4), asr=SimpleNamespace(max_segment_seconds=20)
    )

    async def story() -> None:
        sessions = LiveSessions(
            cast(Any, settings), *cast(Any, (None, SimpleNamespace(others=tuple), None, counters)),
            *cast(Any, (Words(), None, None)),
        )  # fmt: skip

        async def come(client: str) -> None:
            async with sessions.open("", client=client, rate=SAMPLE_RATE):
                pass

        greedy = [asyncio.ensure_future(come("greedy")) for _ in range(9)]
        other = asyncio.ensure_future(come("other"))
        await asyncio.sleep(0)
        assert sessions.sessions == 5
        refused = await asyncio.gather(*greedy[4:], return_exceptions=True)
        assert all(isinstance(one, QueueFull) for one in refused)
        going_on.set()
        await asyncio.gather(*greedy, other, return_exceptions=True)
        assert sessions.sessions == 0
        assert counted[-1] == 0
        sessions.close()

    asyncio.run(story())
