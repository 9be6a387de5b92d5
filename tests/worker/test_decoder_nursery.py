"""The nursery of decoders: several workers have theirs forked from one; none of its own troubles
reaches a recording; whoever goes takes its decoders along, and nothing is left."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import decoder_processes
import psutil
import pytest
import sounds
from decoder_processes import nurseries, the_nursery
from supervised import PATIENCE_SECONDS, wait_until

from seacod.asr.decoder import births
from seacod.asr.decoder.births import SharedDecoderNursery
from seacod.asr.decoder.pool import Decoders
from seacod.asr.decoder.wire import DecodeTask

TASK = DecodeTask("pieces", 300.0, 1 << 30, 20.0)


def decoders_of(nursery: psutil.Process) -> list[psutil.Process]:
    return wait_until(lambda: decoder_processes.decoders(nursery), "named decoders")


def gone(*processes: psutil.Process) -> None:
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
    assert not alive


async def is_heard(decoders: Decoders) -> bool:
    return [frame.kind async for frame in decoders.run(sounds.SPEECH, TASK)][-1] == "done"


Test = Callable[[Decoders, psutil.Process], Coroutine[Any, Any, None]]


def with_shared(test: Test) -> None:
    """Decoders that were handed a connection to a nursery; it has forked one."""

    async def run() -> None:
        shared = SharedDecoderNursery()
        shared.start()
        nursery = the_nursery()
        decoders = Decoders(1, 2, shared.connection())
        await decoders.start()
        try:
            await test(decoders, nursery)
        finally:
            await decoders.close()
            shared.forget()
        gone(nursery)

    asyncio.run(run())
    assert not nurseries()


def test_workers_share_a_nursery_which_ends_with_the_last_of_them() -> None:
    async def run() -> None:
        shared = SharedDecoderNursery()
        shared.start()
        nursery = the_nursery()
        first, second = (Decoders(1, 1, shared.connection()) for _ in range(2))
        await first.start()
        await second.start()
        one, other = nursery.children()
        # Whoever made it may go, and so may a worker: the rest go on.
        shared.forget()
        await first.close()
        gone(one)
        assert other.is_running()
        assert await is_heard(second)
        assert nurseries() == [nursery]
        await second.close()
        gone(nursery, other)

    asyncio.run(run())


def test_a_worker_that_vanishes_takes_its_decoders_along() -> None:
    """Its end of the connection closed is all that anybody sees of a SIGKILL."""

    async def test(decoders: Decoders, nursery: psutil.Process) -> None:
        (decoder,) = decoders_of(nursery)
        connection = decoders._births._connection
        assert connection is not None
        connection.shutdown(socket.SHUT_RDWR)
        gone(decoder)
        assert nursery.is_running()

    with_shared(test)


@pytest.mark.parametrize("is_at_work", [False, True])
def test_a_nursery_that_is_killed_costs_no_recording(
    is_at_work: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    async def test(decoders: Decoders, nursery: psutil.Process) -> None:
        (decoder,) = decoders_of(nursery)
        if is_at_work:
            frames = decoders.run(sounds.SPEECH, TASK)
            assert (await anext(frames)).kind == "info"
        nursery.kill()
        nursery.wait()
        gone(decoder)
        if is_at_work:
            assert [frame.kind async for frame in frames][-1] == "done"
        assert await is_heard(decoders)
        assert await is_heard(decoders)
        assert len(nurseries()) == 1, "one of our own"

    with_shared(test)
    assert "".join(capfd.readouterr()).count("decoder_nursery_lost") == 1


def test_a_nursery_that_hangs_costs_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(decoders: Decoders, nursery: psutil.Process) -> None:
        monkeypatch.setattr(births, "_HANDED_ANSWERS_SECONDS", 0.5)
        nursery.suspend()
        try:
            (decoder,) = decoders_of(nursery)
            decoder.kill()
            assert await is_heard(decoders)
        finally:
            nursery.resume()

    with_shared(test)


def test_another_is_there_for_the_next_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed, or hanging."""

    async def next_one(shared: SharedDecoderNursery) -> psutil.Process:
        decoders = Decoders(1, 1, shared.connection())
        await decoders.start()
        assert await is_heard(decoders)
        nursery = the_nursery()
        await decoders.close()
        return nursery

    async def test() -> None:
        shared = SharedDecoderNursery()
        shared.start()
        nursery = the_nursery()
        nursery.kill()
        gone(nursery)
        nursery = await next_one(shared)
        nursery.suspend()
        unanswered = shared.connection()
        assert unanswered is not None
        monkeypatch.setattr(births, "_HANDED_ANSWERS_SECONDS", 0.0)
        replaced = shared.connection()
        monkeypatch.undo()
        assert replaced is not None
        unanswered.close()
        replaced.close()
        gone(nursery)
        nursery = the_nursery()
        shared.forget()
        gone(nursery)

    asyncio.run(test())


def test_descriptors_do_not_leak() -> None:
    async def test(decoders: Decoders, nursery: psutil.Process) -> None:
        def descriptors() -> tuple[int, int]:
            return psutil.Process().num_fds(), nursery.num_fds()

        async def no_more_than(before: tuple[int, int]) -> None:
            # While the next one is forked ahead there are a few more for a moment.
            while any(now > then for now, then in zip(descriptors(), before, strict=True)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

        async def round_of_three() -> None:
            await asyncio.gather(*(is_heard(decoders) for _ in range(3)))
            for one in decoders_of(nursery):
                one.kill()
            wait_until(lambda: not nursery.children(), "their end")
            assert await is_heard(decoders)

        await round_of_three()
        before = descriptors()
        for _ in range(10):
            await round_of_three()
            await asyncio.wait_for(no_more_than(before), PATIENCE_SECONDS)

    with_shared(test)
