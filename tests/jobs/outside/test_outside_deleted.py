"""Recordings outside the database are deleted when nobody needs them any more, not before."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from outside_node import BIG, Node, count, directory, marked, running, until
from postgres import Postgres

from seacod.errors import NotReady
from seacod.jobs.model import FileState
from seacod.jobs.opening import open_store
from seacod.jobs.outside.places import MARK, Move, RecordingPlaces
from seacod.jobs.store import JobStore

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]


def test_what_is_canceled_deleted_or_ended_by_others_is_deleted_there_and_what_failed_is_kept(
    postgres: Postgres, shared: str, place: Any, tmp_path: Path
) -> None:
    async def work() -> None:
        node = Node(shared, tmp_path / "one", place)
        async with running(node):
            node.is_paused = True
            for job in ("canceled", "failed", "elsewhere"):
                await node.accept(job, BIG)
            await node.jobs.cancel("canceled")
            await until(lambda: place.names() == [MARK, "elsewhere/0001", "failed/0001"])
            # By a node of the version before, which knows nothing of places.
            postgres.run("UPDATE files SET state = 'canceled' WHERE job = 'elsewhere'", shared)
            node.jobs.store.blobs.sweep({"canceled", "failed", "elsewhere"})
            await until(lambda: place.names() == [MARK, "failed/0001"])
            node.hearing.fails, node.is_paused = True, False
            node.jobs.look_soon()
            await until(lambda: node.is_over("failed"))
            assert await node.states("failed") == [FileState.FAILED]
            # It can be tried again.
            node.hearing.fails = False
            await node.jobs.retry("failed")
            await until(lambda: node.is_over("failed"))
            assert await node.states("failed") == [FileState.DONE]
            node.hearing.fails = True
            await node.accept("expired", BIG)
            await until(lambda: node.is_over("expired"))
            assert await node.jobs.act(lambda store: store.delete_expired(0.0)) == 3
            await until(lambda: place.names() == [MARK])
            await until(lambda: not count(postgres, shared, "outside_recordings"))

    asyncio.run(work())


def test_what_was_never_accepted_is_swept_after_a_day_and_not_what_is_still_sent(
    postgres: Postgres, shared: str, tmp_path: Path
) -> None:
    place = directory(tmp_path / "place")

    def put(store: JobStore, job: str) -> str:
        """As far as a node comes that dies before it accepts the job."""
        reserved = store.reserve(place.root, job, [1])
        (tmp_path / "sound").write_bytes(b"sound")
        RecordingPlaces(dict).send(tmp_path / "sound", reserved.addresses[1], Move())
        return reserved.addresses[1]

    async def work() -> None:
        node = Node(shared, tmp_path / "one", place)
        async with running(node):
            store = node.jobs.store
            for job in ("old", "late", "fresh"):
                put(store, job)
            RecordingPlaces(dict).mark(place.root, store.identity_of(place.root)[0])
            postgres.run(
                "UPDATE outside_recordings SET kept = kept - 90000 WHERE job <> 'fresh'", shared
            )
            await node.jobs.act(lambda store: store.delete_expired(1e9))
            needed = "SELECT job FROM outside_recordings WHERE NOT is_doomed"
            assert postgres.rows(needed, shared) == [["fresh"]]
            await until(lambda: place.names() == [MARK, "fresh/0001"])
            # Who had it in hand all the time does not have it accepted without its recording.
            incoming = store.blobs.incoming("late")
            incoming.mkdir(parents=True)
            late = {1: f"{place.root}/late/0001"}
            with pytest.raises(NotReady, match="too long"):
                await node.jobs.act(
                    lambda store: store.accept("late", "me", "", [("a", 5)], elsewhere=late)
                )
            assert not count(postgres, shared, "jobs")

    asyncio.run(work())


def test_from_a_place_that_is_not_mounted_nothing_counts_as_deleted(
    postgres: Postgres, shared: str, tmp_path: Path
) -> None:
    place, root = directory(tmp_path / "place"), tmp_path / "place"

    async def work() -> None:
        other = open_store(tmp_path / "other", shared)
        with contextlib.closing(other):
            reserved = other.reserve(place.root, "job", [1])
            marked(other, place)
            (tmp_path / "sound").write_bytes(b"sound")
            RecordingPlaces(dict).send(tmp_path / "sound", reserved.addresses[1], Move())
            other.blobs.not_needed_outside("job")
        # As a mount point before its file system is there; its parent is there.
        root.rename(tmp_path / "away")
        (root / "job").mkdir(parents=True)
        node = Node(shared, tmp_path / "one", place, root="")
        async with running(node):
            await until(lambda: node.mover.unreadable)
            assert count(postgres, shared, "outside_recordings") == 1
            shutil.rmtree(root)
            (tmp_path / "away").rename(root)
            await until(lambda: not count(postgres, shared, "outside_recordings"))
            assert place.names() == [MARK]

    asyncio.run(work())


def test_what_is_doomed_at_places_that_are_away_keeps_nothing_at_another(
    postgres: Postgres, shared: str, tmp_path: Path
) -> None:
    """However much it is, and though one of their names is the beginning of the healthy one's."""
    place = directory(tmp_path / "place")
    (tmp_path / "place/inner").mkdir()
    inner = SimpleNamespace(root=f"{place.root}/inner")
    (tmp_path / "sound").write_bytes(b"sound")

    async def work() -> None:
        node = Node(shared, tmp_path / "one", place, root="")
        async with running(node):
            store = node.jobs.store
            for number in range(60):
                store.reserve(str(tmp_path / "gone"), f"gone{number}", [1])
                store.reserve(place.root, f"away{number}", [1])
            for root in (str(tmp_path / "gone"), place.root):
                store.place_is_marked(root)
            kept = store.reserve(inner.root, "kept", [1])
            marked(store, inner)
            RecordingPlaces(dict).send(tmp_path / "sound", kept.addresses[1], Move())
            postgres.run("UPDATE outside_recordings SET is_doomed = true", shared)
            gone = str(tmp_path / "gone")
            assert store.doomed([gone, place.root]) in ([], [kept.addresses[1]])
            assert not {*store.doomed([inner.root, place.root])} & {*kept.addresses.values()}
            await until(
                lambda: not count(postgres, shared, "outside_recordings WHERE job = 'kept'")
            )
            assert place.names() == [f"inner/{MARK}"]
            assert count(postgres, shared, "outside_recordings") == 120

    asyncio.run(work())


def test_a_recording_that_cannot_be_deleted_keeps_no_other(
    postgres: Postgres, shared: str, tmp_path: Path
) -> None:
    place = directory(tmp_path / "place")
    (tmp_path / "sound").write_bytes(b"sound")

    async def work() -> None:
        node = Node(shared, tmp_path / "one", place, root="")
        async with running(node):
            store = node.jobs.store
            for number in range(4):
                reserved = store.reserve(place.root, f"job{number}", [1])
                RecordingPlaces(dict).send(tmp_path / "sound", reserved.addresses[1], Move())
            marked(store, place)
            # No file, so it cannot be unlinked.
            (tmp_path / "place/job2/0001").unlink()
            (tmp_path / "place/job2/0001/inner").mkdir(parents=True)
            postgres.run("UPDATE outside_recordings SET is_doomed = true", shared)
            await until(lambda: count(postgres, shared, "outside_recordings") == 1)
            assert not node.mover.unreadable

    asyncio.run(work())
