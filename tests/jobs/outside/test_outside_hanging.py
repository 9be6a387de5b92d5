"""A place of recordings outside that hangs or is slow: nothing but what lies there waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from pathlib import Path

import pytest
from object_store import ObjectStore
from outside_node import BIG, Node, count, directory, in_objects, running, until
from postgres import Postgres

from seacod.errors import PlaceUnusable
from seacod.jobs import address_book
from seacod.jobs.outside import place_threads, place_troubles
from seacod.jobs.outside.moving import RecordingMover
from seacod.jobs.outside.places import MARK, Move, RecordingPlaces

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]


class Hanging:
    """A directory whose mark is a pipe into which nobody writes: whoever opens it hangs."""

    def __init__(self, root: Path) -> None:
        root.mkdir()
        self.root = str(root)
        self._pipe = root / MARK
        os.mkfifo(self._pipe)

    def threads(self) -> int:
        return sum(one.name == "seacod-recordings" for one in threading.enumerate())

    def end(self) -> None:
        while self.threads():
            with contextlib.suppress(OSError):
                os.close(os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK))
            time.sleep(0.01)


def test_a_place_that_hangs_is_a_503_within_its_time_and_everything_else_goes_on(
    postgres: Postgres, shared: str, objects: ObjectStore, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    place = in_objects(objects, objects.access, f"s3://batches/{tmp_path.name}")
    lease = "SELECT max(extract(epoch FROM clock_timestamp()) - seen) FROM owners"

    async def work() -> None:
        node = Node(shared, tmp_path / "one", place)
        async with running(node):
            await node.accept("before", BIG)
            await until(lambda: node.is_over("before"))
            monkeypatch.setattr(place_threads, "_SILENT_SECONDS", 3.0)
            with objects.frozen():
                sending = asyncio.ensure_future(node.accept("hanging", BIG))
                oldest = 0.0
                while not sending.done():
                    began = time.monotonic()
                    await node.jobs.get("before")
                    oldest = max(oldest, float(postgres.rows(lease, shared)[0][0]))
                    assert time.monotonic() - began < 10.0, "the store of the jobs stands still"
                    await asyncio.sleep(0.2)
                with pytest.raises(PlaceUnusable, match="cannot be used"):
                    await sending
                trouble = node.mover._troubles.of(place.root, place_troubles.Side.READ)
                assert trouble is not None
                # Ours, which comes before that of who asks the store.
                assert "no answer for 3 s" in trouble.why[0]
                assert oldest < 15.0
                await node.accept("small", 10)
                await until(lambda: node.is_over("small"))
            assert count(postgres, shared, "jobs") == 2
            # What came through after all does not stay.
            await until(lambda: place.names() == [MARK])
            await until(lambda: not count(postgres, shared, "outside_recordings"))

    asyncio.run(work())


def test_a_client_that_goes_in_the_middle_does_not_make_its_place_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = Hanging(tmp_path / "place")

    async def work() -> None:
        mover = RecordingMover(hanging.root, BIG, RecordingPlaces(dict))
        reserved = address_book.Reserved(hanging.root, "ours", True, {})
        gone = asyncio.ensure_future(mover.recognise(reserved))
        await until(lambda: hanging.threads() == 1)
        gone.cancel()
        other = asyncio.ensure_future(mover.recognise(reserved))
        await until(lambda: hanging.threads() == 2)
        assert not mover.unreadable
        other.cancel()
        await asyncio.wait({gone, other})

    try:
        asyncio.run(work())
    finally:
        hanging.end()


def test_a_place_that_hangs_keeps_no_other_and_gets_no_more_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place_threads, "_LOOK_SECONDS", 0.05)
    hanging, healthy = Hanging(tmp_path / "old"), directory(tmp_path / "new")
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    (incoming / "0001").write_bytes(b"sound")
    reserved = address_book.Reserved(healthy.root, "ours", False, {1: f"{healthy.root}/job/0001"})

    async def work() -> None:
        mover = RecordingMover(healthy.root, BIG, RecordingPlaces(dict))

        async def bring(number: int) -> None:
            await mover.bring(f"{hanging.root}/job/{number:04}", tmp_path / f"{number}", "ours")

        old = [asyncio.ensure_future(bring(number)) for number in range(6)]
        await until(lambda: hanging.threads() == 4)
        await asyncio.wait_for(mover.recognise(reserved), 20.0)
        await asyncio.wait_for(mover.send(incoming, reserved, {1: 5}), 20.0)
        assert not any(one.done() for one in old)
        monkeypatch.setattr(place_threads, "_SILENT_SECONDS", 0.1)
        both = asyncio.gather(*old, return_exceptions=True)
        for ended in await asyncio.wait_for(both, 20.0):
            assert isinstance(ended, PlaceUnusable)
        for number in range(3):
            with pytest.raises(PlaceUnusable, match="no answer"):
                await asyncio.wait_for(bring(number), 20.0)
        assert hanging.threads() == 4
        assert mover.unreadable == {hanging.root}
        hanging.end()
        await until(lambda: not mover._threads.hung)

    try:
        asyncio.run(work())
    finally:
        hanging.end()
    assert healthy.names() == [MARK, "job/0001"]


def test_what_is_written_comes_to_the_disk_in_pieces_and_the_rest_has_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = directory(tmp_path / "place")
    with (tmp_path / "sound").open("wb") as file:
        file.truncate(70 << 20)
    part, synced = tmp_path / "place/job/0001.part", [0]
    fsync, move = os.fsync, Move()

    def noticed(descriptor: int) -> None:
        fsync(descriptor)
        if part.exists():
            synced.append(part.stat().st_size)
            waiting.append(move.outstanding_bytes)

    waiting: list[int] = []
    monkeypatch.setattr(os, "fsync", noticed)
    RecordingPlaces(dict).send(tmp_path / "sound", f"{place.root}/job/0001", move)
    assert synced[-1] == 70 << 20
    steps = [after - before for before, after in zip(synced, synced[1:], strict=False)]
    assert max(steps) <= 32 << 20
    # What is not known to be there is waited for at half a megabyte a second.
    assert max(waiting) <= 32 << 20
    monkeypatch.setattr(place_threads, "_SILENT_SECONDS", 0.0)
    move.outstanding_bytes = 16 << 20
    assert not place_threads._is_silent(move)
    move.is_there()
    time.sleep(0.01)
    assert place_threads._is_silent(move)
