"""Places are given in turn by client, whoever comes, gives up or holds on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from seacod.asr.decoder.fair_semaphore import FairSemaphore


class Guest:
    """Somebody who wants a place."""

    def __init__(self, places: FairSemaphore, client: str) -> None:
        self.client = client
        self.is_in = False
        self._may_go = asyncio.Event()
        self.task = asyncio.ensure_future(self._be(places))

    async def _be(self, places: FairSemaphore) -> None:
        async with places.held(self.client):
            self.is_in = True
            await self._may_go.wait()
        self.is_in = False

    async def go(self) -> None:
        self._may_go.set()
        await self.task


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def test_one_with_hundreds_keeps_another_waiting_for_one_only() -> None:
    async def story() -> None:
        places = FairSemaphore(2)
        many = [Guest(places, "many") for _ in range(100)]
        await settle()
        one = Guest(places, "one")
        await settle()
        assert not one.is_in
        await many[0].go()
        await settle()
        assert one.is_in
        for guest in [*many[1:], one]:
            guest.task.cancel()

    run(story())


@given(
    st.lists(
        st.tuples(st.sampled_from("come go cancel resize".split()), st.integers(0, 5)), max_size=60
    )
)
def test_no_place_is_lost_and_none_is_given_twice(steps: list[tuple[str, int]]) -> None:
    async def story() -> None:
        count = 2
        places, guests = FairSemaphore(count), list[Guest]()
        for what, number in steps:
            inside = [guest for guest in guests if guest.is_in]
            if what == "come":
                guests.append(Guest(places, "abc"[number % 3]))
            elif what == "go" and inside:
                await inside[number % len(inside)].go()
            elif what == "cancel" and guests:
                guests[number % len(guests)].task.cancel()
            elif what == "resize":
                count = number
                places.resize(count)
            await settle()
            guests = [guest for guest in guests if not guest.task.done()]
        while any(guest.is_in for guest in guests) and count == 0:
            await next(guest for guest in guests if guest.is_in).go()
            guests = [guest for guest in guests if not guest.task.done()]
        inside = [guest for guest in guests if guest.is_in]
        waiting = [guest for guest in guests if not guest.is_in]
        assert not waiting or len(inside) >= count
        places.resize(1)
        while guests:
            await settle()
            await next(guest for guest in guests if guest.is_in).go()
            guests = [guest for guest in guests if not guest.task.done()]

    run(story())
