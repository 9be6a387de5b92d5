"""Recordings of shared batches that lie outside the database are heard by every node, each once."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from outside_node import BIG, Node, count, directory, running, until
from postgres import Postgres
from supervised import ROOT

from seacod.errors import PlaceUnusable
from seacod.jobs import address_book
from seacod.jobs.model import FileState
from seacod.jobs.opening import open_store
from seacod.jobs.outside.places import MARK, Move, RecordingPlaces, read_access

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]
# How version 1_0001 looked for a file to claim.
CLAIM_BEFORE = """
    SELECT files.job, files.number FROM files JOIN jobs ON jobs.id = files.job
    WHERE files.state = 'waiting' AND files.crashes >= 0 ORDER BY jobs.claimed, files.number
    LIMIT 1 FOR UPDATE OF files SKIP LOCKED
"""


def test_any_node_hears_what_lies_outside_and_then_it_is_deleted_there(
    postgres: Postgres, shared: str, place: Any, tmp_path: Path
) -> None:
    async def work() -> None:
        taking = Node(shared, tmp_path / "one", place)
        # As after the setting was taken away: what lies there is read where it lies.
        other = Node(shared, tmp_path / "two", place, root="")
        taking.is_paused = True
        async with running(taking):
            said = await taking.accept("job", 10, BIG, 3 * BIG)
            # What is small is in the database, and nothing else.
            assert postgres.rows("SELECT DISTINCT number FROM recordings", shared) == [["1"]]
            assert place.names() == [MARK, "job/0002", "job/0003"]
            rows = postgres.rows("SELECT place FROM files ORDER BY number", shared)
            assert rows == [[""], [f"{place.root}/job/0002"], [f"{place.root}/job/0003"]]
            assert not (tmp_path / "one/job").exists()
            async with running(other):
                await until(lambda: other.is_over("job"))
                assert await other.texts("job") == said
                await until(lambda: place.names() == [MARK])
                await until(lambda: not count(postgres, shared, "outside_recordings"))
                assert not list((tmp_path / "two/job/in").glob("*"))

    asyncio.run(work())


def test_a_node_of_the_version_before_claims_none_of_it_and_crashes_are_counted_all_the_same(
    postgres: Postgres, shared: str, tmp_path: Path
) -> None:
    place = directory(tmp_path / "place")
    store = open_store(tmp_path / "jobs", shared)
    try:
        reserved = store.reserve(place.root, "job", [1])
        store.blobs.incoming("job").mkdir(parents=True)
        store.accept("job", "me", "", [("a.wav", BIG)], elsewhere=reserved.addresses)
        assert not postgres.rows(CLAIM_BEFORE, shared)
        for crashes in (0, 1):
            claimed = store.claim(f"{os.getpid()}-{crashes}", 0)
            assert claimed is not None
            assert claimed.file.crashes == crashes
            assert claimed.file.place == reserved.addresses[1]
            assert store.recover([os.getpid()]) == 1
            assert not postgres.rows(CLAIM_BEFORE, shared)
        assert store.get("job")[1][0].state is FileState.POISON
    finally:
        store.close()


def test_the_place_of_another_database_is_not_taken(
    postgres: Postgres, shared: str, place: Any, tmp_path: Path
) -> None:
    async def work() -> None:
        async with running(Node(shared, tmp_path / "one", place)) as ours:
            ours.is_paused = True
            await ours.accept("ours", BIG)
        async with running(Node(postgres.fresh(), tmp_path / "two", place)) as theirs:
            with pytest.raises(PlaceUnusable):
                await theirs.accept("theirs", BIG)
        assert place.names() == [MARK, "ours/0001"]

    asyncio.run(work())


def test_it_goes_there_and_back_in_pieces(place: Any, tmp_path: Path) -> None:
    """In a process of its own, whose memory tells."""
    act = f"""
import pathlib, sys
from seacod.jobs.outside.places import Move, RecordingPlaces, read_access
def peak():
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10
there, back = pathlib.Path({str(tmp_path / "there")!r}), pathlib.Path({str(tmp_path / "back")!r})
access = read_access(None, {place.access!r})
places = RecordingPlaces(lambda: access)
address = {place.root!r} + "/job/0001"
there.write_bytes(b"small")
places.send(there, address, Move())
before = peak()
with there.open("wb") as file:
    for number in range(160):
        file.write(number.to_bytes(4, "big") * (1 << 18))
places.send(there, address, Move())
places.bring(address, back, Move())
grown = peak() - before
same = there.read_bytes() == back.read_bytes()
print(grown)
sys.exit(not (same and grown < 64))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, "-c", act], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, f"MiB: {done.stdout} {done.stderr}"


def test_half_a_recording_is_never_seen(tmp_path: Path) -> None:
    place = directory(tmp_path / "place")
    (tmp_path / "sound").write_bytes(bytes(4 << 20))
    seen: list[list[str]] = []

    class Watched(Move):
        gives_up = True

        def of(self, chunks: Any) -> Iterator[bytes]:
            for chunk in super().of(chunks):
                seen.append(place.names())
                self.is_given_up = self.gives_up and len(seen) == 2
                yield chunk

    places, address = RecordingPlaces(dict), f"{place.root}/job/0001"
    with pytest.raises(PlaceUnusable, match="given up"):
        places.send(tmp_path / "sound", address, Watched())
    assert seen == [["job/0001.part"]] * 2
    assert place.names() == []
    whole = Watched()
    whole.gives_up = False
    places.send(tmp_path / "sound", address, whole)
    assert seen[2:] == [["job/0001.part"]] * 4
    assert place.names() == ["job/0001"]


def test_several_nodes_may_mark_a_place_at_once(tmp_path: Path) -> None:
    place = directory(tmp_path / "place")
    with ThreadPoolExecutor(8) as threads:
        marks = [threads.submit(RecordingPlaces(dict).mark, place.root, "ours") for _ in range(64)]
        for one in marks:
            one.result()
    assert place.names() == [MARK]
    assert RecordingPlaces(dict).look(place.root, "ours", is_marked=True)


def test_who_asks_is_read_from_a_file_of_lines_and_masked() -> None:
    from seacod.system.text.masking import masked

    secret = "# of MinIO\nexport AWS_SECRET_ACCESS_KEY='a long secret'\nAWS_ACCESS_KEY_ID=me\n"
    given = read_access(secret, {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "other"})
    assert given == {
        "AWS_SECRET_ACCESS_KEY": "a long secret", "AWS_ACCESS_KEY_ID": "me",
        "AWS_REGION": "eu-west-1",
    }  # fmt: skip
    assert masked("it is a long secret.") == "it is ****."
    assert address_book.root_of("s3://bucket/prefix/job/0001") == "s3://bucket/prefix"
