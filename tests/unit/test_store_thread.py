"""Who waits for a database that does not answer is told so, and what goes through after that is
taken back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import create_engine, text

from seacod.errors import NotReady
from seacod.jobs import store_thread
from seacod.jobs.stalls import Stalls
from seacod.jobs.store_thread import StoreThread


class Frozen(Stalls):
    """Says what a test wants, and counts."""

    def __init__(self) -> None:
        super().__init__(create_engine("sqlite://"))
        self.told_seconds = 0.0
        self.breaks = 0

    @property
    def seconds(self) -> float:
        return self.told_seconds

    def break_off(self) -> None:
        self.breaks += 1
        if self.breaks == 1:
            raise RuntimeError("whatever")


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_thread, "_LOOK_SECONDS", 0.01)


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def test_what_goes_through_too_late_is_taken_back() -> None:
    async def scene() -> list[str]:
        frozen, go_on, seen = Frozen(), threading.Event(), list[str]()
        given_up: list[None] = []
        thread = StoreThread(lambda: frozen, lambda: given_up.append(None))
        watching = asyncio.ensure_future(thread.watch())
        waiting = asyncio.ensure_future(
            thread.asked(lambda: (go_on.wait(), seen.append("done")), lambda: seen.append("undone"))
        )
        await asyncio.sleep(0)
        frozen.told_seconds = 6.0
        with pytest.raises(NotReady, match="does not answer"):
            await waiting
        # Nobody else waits for it either.
        with pytest.raises(NotReady):
            await thread.asked(lambda: seen.append("never"))
        frozen.told_seconds = 16.0
        # What goes wrong in giving up does not end the watch.
        await until(lambda: frozen.breaks > 2)
        assert len(given_up) == 1
        go_on.set()
        await until(lambda: "undone" in seen)
        frozen.told_seconds = 0.0
        await until(lambda: not thread._stalled.is_set())
        assert await thread.asked(lambda: 42) == 42
        watching.cancel()
        thread.close()
        return seen

    assert asyncio.run(scene()) == ["done", "undone"]


def test_each_step_of_who_works_is_a_sign_of_life() -> None:
    engine = create_engine("sqlite://")
    stalls = Stalls(engine)
    assert stalls.seconds == 0.0
    with stalls.working():
        me = threading.get_ident()
        stalls._got_on[me] -= 100.0
        assert stalls.seconds >= 100.0
        with engine.begin() as connection:
            connection.execute(text("SELECT 1"))
        assert stalls.seconds < 100.0
    assert stalls.seconds == 0.0
