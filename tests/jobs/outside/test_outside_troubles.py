"""A place of recordings outside that is away, full or closed: one sentence, one alert, no loss."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from object_store import ObjectStore
from outside_node import BIG, Node, count, directory, running, until
from postgres import Postgres
from supervised import free_port

from seacod.errors import NotFound, PlaceUnusable, StorageFull
from seacod.jobs.model import FileState
from seacod.jobs.outside import job_recordings, place_troubles, places
from seacod.jobs.outside.moving import RecordingMover
from seacod.jobs.outside.places import MARK, Move, RecordingPlaces, read_access

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]


def test_a_place_that_is_away_is_a_503_nothing_is_half_accepted_and_it_is_told(
    postgres: Postgres, shared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place_troubles, "_TOLD_SECONDS", 0.0)
    place = directory(tmp_path / "place")
    root = Path(place.root)

    async def work() -> None:
        node = Node(shared, tmp_path / "one", place)
        async with running(node):
            # What the worker before may have told is over.
            await until(lambda: node.told)
            assert node.told.pop()[1]
            await node.accept("before", BIG)
            await until(lambda: node.is_over("before"))
            # Not mounted: the directory is there, and empty.
            root.rename(tmp_path / "away")
            root.mkdir()
            with pytest.raises(PlaceUnusable) as refused:
                await node.accept("refused", BIG)
            assert refused.value.http_status == 503
            # Addresses are for operators.
            assert str(root) not in f"{refused.value.message}{refused.value.chinese}"
            assert not list(root.iterdir())
            assert count(postgres, shared, "jobs") == 1
            # Nothing was put there, so nothing waits to be deleted there.
            await until(
                lambda: not count(postgres, shared, "outside_recordings WHERE job = 'refused'")
            )
            assert "not mounted" in node.told[0][0]
            assert not node.told[0][1]
            # What is small has nothing to do with it.
            await node.accept("small", 10)
            await until(lambda: node.is_over("small"))
            root.rmdir()
            (tmp_path / "away").rename(root)
            await until(lambda: node.told[-1][1])
            await until(lambda: not count(postgres, shared, "outside_recordings"))
            await node.accept("again", BIG)
            await until(lambda: node.is_over("again"))

    asyncio.run(work())


def test_a_file_whose_place_is_away_waits_and_is_no_fault_of_its_own(
    shared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place_troubles, "_TOLD_SECONDS", 0.0)
    place = directory(tmp_path / "place")
    root = Path(place.root)

    async def work() -> None:
        node = Node(shared, tmp_path / "one", place)
        async with running(node):
            node.is_paused = True
            await until(lambda: node.told)
            node.told.clear()
            said = await node.accept("job", BIG, 10)
            root.rename(tmp_path / "away")
            root.mkdir()
            node.is_paused = False
            await until(lambda: node.told)
            assert "not mounted" in node.told[0][0]
            # The other one, which lies in the database, goes on.
            await until(lambda: is_done(node, 2))
            _, files, _ = await node.jobs.get("job")
            assert files[0].state in (FileState.WAITING, FileState.RUNNING)
            assert (files[0].crashes, files[0].interruptions) == (0, 0)
            root.rmdir()
            (tmp_path / "away").rename(root)
            await until(lambda: node.is_over("job"))
            assert await node.texts("job") == said
            assert node.told[-1][1]
            # One that somebody removed is lost, and says so.
            node.is_paused = True
            await node.accept("removed", BIG)
            (root / "removed/0001").unlink()
            node.is_paused = False
            await until(lambda: node.is_over("removed"))
            assert (await node.jobs.get("removed"))[1][0].error_code == "recording_lost"

    async def is_done(node: Node, number: int) -> bool:
        return (await node.states("job"))[number - 1] is FileState.DONE

    asyncio.run(work())


def test_what_a_place_refuses_is_one_sentence(
    shared: str, objects: ObjectStore, tmp_path: Path
) -> None:
    root = f"s3://batches/{tmp_path.name}"
    nobody = {**objects.access, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
    (tmp_path / "sound").write_bytes(b"sound")

    def send(access: Mapping[str, str], root: str) -> None:
        places = RecordingPlaces(lambda: read_access(None, access))
        places.send(tmp_path / "sound", f"{root}/job/0001", Move())

    with pytest.raises(PlaceUnusable, match="refuses these credentials"):
        send(objects.reader, root)
    with pytest.raises(PlaceUnusable, match="does not answer"):
        send(nobody, root)
    with pytest.raises(PlaceUnusable, match="no bucket"):
        send(objects.access, "s3://none/here")
    # Nothing was deleted where there is nothing to delete from.
    with pytest.raises(PlaceUnusable, match="no bucket"):
        RecordingPlaces(lambda: read_access(None, objects.access)).delete("s3://none/job/0001")
    # A figure in a name is no answer of the store.
    with pytest.raises(PlaceUnusable):
        send(nobody, f"{root}/507")
    # A device that is full, under the name that the recording has on its way.
    (tmp_path / "place/job").mkdir(parents=True)
    (tmp_path / "place/job/0001.part").symlink_to("/dev/full")
    with pytest.raises(StorageFull, match="no room") as full:
        send({}, str(tmp_path / "place"))
    assert full.value.http_status == 507
    with full_store() as url, pytest.raises(StorageFull, match="no room"):
        send({**objects.access, "AWS_ENDPOINT_URL": url}, root)


@contextlib.contextmanager
def full_store() -> Iterator[str]:
    """Answers as MinIO does when its disks are full, which no store does that can be had here."""

    class Full(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            body = b"<Error><Code>XMinioStorageFull</Code><Message>no space</Message></Error>"
            self.send_response(507)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_POST = do_GET = answer

        def log_message(self, *words: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Full)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_full_place_is_read_and_emptied_and_64_bytes_do_not_end_its_trouble(
    postgres: Postgres, shared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = directory(tmp_path / "place")
    full = tmp_path / "place/refused"
    tried: list[int] = []

    class Noticed(RecordingPlaces):
        def try_out(self, root: str, size_bytes: int = 0, move: Move | None = None) -> None:
            tried.append(size_bytes)
            super().try_out(root, size_bytes, move)

    async def work() -> None:
        node = Node(shared, tmp_path / "one", place)
        node.mover._places = Noticed(dict)
        async with running(node):
            await until(lambda: node.told)
            node.told.clear()
            node.is_paused = True
            for job in ("before", "canceled"):
                await node.accept(job, BIG)
            monkeypatch.setattr(place_troubles, "_TOLD_SECONDS", 1.0)
            # A device that is full, under the name that the recording has on its way.
            full.mkdir()
            (full / "0001.part").symlink_to("/dev/full")
            with pytest.raises(StorageFull) as refused:
                await node.accept("refused", BIG + 7)
            assert refused.value.http_status == 507
            assert str(full) not in f"{refused.value.message}{refused.value.chinese}"
            # Nobody else is refused meanwhile, and it is told.
            await until(lambda: node.told)
            assert "no room" in node.told[0][0]
            await node.jobs.cancel("canceled")
            await until(lambda: "canceled/0001" not in place.names())
            node.is_paused = False
            node.jobs.look_soon()
            await until(lambda: node.is_over("before"))
            assert len(node.told) == 1
            # What is as big as what was refused ends it.
            monkeypatch.setattr(place_troubles, "_QUIET_SECONDS", 0.0)
            await until(lambda: node.told[-1][1])
            assert tried[-1] == BIG + 7

    asyncio.run(work())


def test_of_a_job_that_is_refused_in_the_middle_nothing_stays_there(
    postgres: Postgres, shared: str, tmp_path: Path
) -> None:
    place = directory(tmp_path / "place")
    full = tmp_path / "place/refused"

    async def work() -> None:
        node = Node(shared, tmp_path / "one", place)
        async with running(node):
            # The first one has room, the second one has none.
            full.mkdir()
            (full / "0002.part").symlink_to("/dev/full")
            with pytest.raises(StorageFull):
                await node.accept("refused", BIG, BIG)
            await until(lambda: not (full / "0001").exists())
            await until(lambda: not count(postgres, shared, "outside_recordings"))

    asyncio.run(work())


def test_what_a_full_place_is_tried_with_is_as_big_as_what_it_refused() -> None:
    troubles = place_troubles.PlaceTroubles(lambda *told: None)
    side = place_troubles.Side.WRITE
    troubles.failed("/place", side, StorageFull("full", "满"), 5_000_000)
    trouble = troubles.of("/place", side)
    assert trouble is not None
    assert trouble.lacking_bytes == 5_000_000
    assert not trouble.is_quiet
    troubles.failed("/place", side, StorageFull("full", "满"), 1 << 40)
    assert trouble.lacking_bytes == 64 << 20
    assert not troubles.unreadable


def test_one_recording_that_cannot_be_read_fails_by_itself_and_its_place_goes_on(
    shared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_recordings, "_READ_AGAIN_SECONDS", 0.05)
    place, root = directory(tmp_path / "place"), tmp_path / "place"

    async def work() -> None:
        node = Node(shared, tmp_path / "one", place)
        async with running(node):
            node.is_paused = True
            said = await node.accept("job", BIG, BIG)
            # Whoever is root may read everything, but no directory as a file.
            (root / "job/0001").rename(root / "job/aside")
            (root / "job/0001").mkdir()
            node.is_paused = False
            node.jobs.look_soon()
            await until(lambda: node.is_over("job"))
            first, second = (await node.jobs.get("job"))[1]
            assert (first.state, first.error_code) == (FileState.FAILED, "recording_unreadable")
            assert str(root) not in (first.error or "")
            assert second.state is FileState.DONE
            assert not node.mover.unreadable
            # It is kept, and can be tried again.
            (root / "job/0001").rmdir()
            (root / "job/aside").rename(root / "job/0001")
            await node.jobs.retry("job")
            await until(lambda: node.is_over("job"))
            assert await node.texts("job") == said

    asyncio.run(work())


def test_what_is_not_there_is_lost_only_where_its_place_still_is(tmp_path: Path) -> None:
    place = directory(tmp_path / "place")
    (tmp_path / "place" / MARK).write_text("ours\n")

    class Vanishing(RecordingPlaces):
        """Its file system goes between the look and the reading."""

        def bring(self, address: str, target: Path, move: Move) -> None:
            (tmp_path / "place" / MARK).unlink()
            super().bring(address, target, move)

    async def bring(places: RecordingPlaces) -> None:
        mover = RecordingMover(place.root, BIG, places)
        await mover.bring(f"{place.root}/job/0001", tmp_path / "target", "ours")

    with pytest.raises(NotFound):
        asyncio.run(bring(RecordingPlaces(dict)))
    with pytest.raises(PlaceUnusable, match="not mounted"):
        asyncio.run(bring(Vanishing(dict)))


def test_trying_a_place_out_leaves_nothing_and_clears_what_the_dead_left(place: Any) -> None:
    places_of = RecordingPlaces(lambda: read_access(None, place.access))
    check = f"{place.root}/{places._check_name()}"
    # No process has this number.
    places_of._put(f"{check}/4194305", (b"left",))
    places_of.try_out(place.root, 2_500_000)
    if place.access:
        from seacod.system.net.remote_files import RemoteFiles

        assert not RemoteFiles(read_access(None, place.access)).find(f"{place.root}/")
    else:
        assert not os.listdir(place.root)
        # Also where it did not get so far as to read it.
        os.mkdir(check)
        os.symlink("/dev/full", f"{check}/{os.getpid()}.part")
        with pytest.raises(StorageFull):
            places_of.try_out(place.root, 2_500_000)
        assert not os.listdir(place.root)
