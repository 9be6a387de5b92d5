"""Recordings of shared batches that lie outside the database, in a directory or in an object store:
heard by every node, deleted when nobody needs them, waited for while their place is away."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.server
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from object_store import ObjectStore
from postgres import Postgres
from supervised import PATIENCE_SECONDS, ROOT, free_port

from seacod.errors import NotFound, NotReady, PlaceUnusable, StorageFull
from seacod.jobs import moving, outside, place_threads, place_troubles, places, runner
from seacod.jobs.model import FileState
from seacod.jobs.moving import RecordingMover
from seacod.jobs.opening import open_store
from seacod.jobs.places import MARK, Move, RecordingPlaces, read_access
from seacod.jobs.runner import Jobs
from seacod.jobs.store import JobStore
from seacod.proving.checks.context import CheckContext
from seacod.proving.checks.item import Finding, Status
from seacod.proving.checks.items.batches import jobs as check_jobs
from seacod.transcript import Transcript

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]
BIG = 100_000
# How version 1_0001 looked for a file to claim.
CLAIM_BEFORE = """
    SELECT files.job, files.number FROM files JOIN jobs ON jobs.id = files.job
    WHERE files.state = 'waiting' AND files.crashes >= 0 ORDER BY jobs.claimed, files.number
    LIMIT 1 FOR UPDATE OF files SKIP LOCKED
"""


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    one = ObjectStore(tmp_path_factory.mktemp("moto") / "log")
    try:
        one.make_bucket("batches")
        one.hold_to_account()
        yield one
    finally:
        one.stop()


@pytest.fixture
def shared(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty database."""
    monkeypatch.setenv("PGPASSWORD", "a secret")
    return postgres.fresh()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for what comes round again."""
    monkeypatch.setattr(runner, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(moving, "_TIDY_SECONDS", 0.1)
    monkeypatch.setattr(places, "_RETRY_SECONDS", 1.0)


@pytest.fixture(params=["directory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> SimpleNamespace:
    """Its `root`, what is needed to get there (`access`), and what lies there (`names()`)."""
    if request.param == "directory":
        return directory(tmp_path / "place")
    store: ObjectStore = request.getfixturevalue("objects")
    return in_objects(store, store.access, f"s3://batches/{tmp_path.name}")


def directory(root: Path) -> SimpleNamespace:
    root.mkdir()

    def names() -> list[str]:
        found = (one for one in root.rglob("*") if one.is_file())
        return lasting(one.relative_to(root).as_posix() for one in found)

    return SimpleNamespace(root=str(root), access={}, names=names)


def in_objects(store: ObjectStore, access: Mapping[str, str], root: str) -> SimpleNamespace:
    from seacod.system.remote_files import RemoteFiles

    def names() -> list[str]:
        return lasting(one.place for one in RemoteFiles(read_access(None, store.access)).find(root))

    return SimpleNamespace(root=root, access=dict(access), names=names)


def lasting(names: Iterable[str]) -> list[str]:
    """Without what places are tried with."""
    return sorted(name for name in names if not name.startswith("check-"))


class Hearing:
    """Its text is what tells the recording apart."""

    def __init__(self) -> None:
        self.limits = SimpleNamespace(concurrent_job_files=2)
        self.fails = False

    async def transcribe(self, path: Path, *words: Any, **more: Any) -> Transcript:
        if self.fails:
            raise RuntimeError("no text")
        text = hashlib.sha256(path.read_bytes()).hexdigest()
        return Transcript(text, (), 1.0, 0.1, 0.0, None, "stand-in", "cpu")


class Node:
    """Jobs of a machine of its own."""

    def __init__(self, address: str, directory: Path, place: Any, root: str | None = None) -> None:
        self.told: list[tuple[str, bool]] = []
        self.hearing = Hearing()
        self.is_paused = False
        self.mover = RecordingMover(
            place.root if root is None else root,
            BIG,
            RecordingPlaces(lambda: read_access(None, place.access)),
            lambda english, chinese, is_over: self.told.append((english, is_over)),
        )
        self.jobs = Jobs(
            lambda: open_store(directory, address), self.hearing, lambda: 7.0,  # type: ignore[arg-type]
            is_paused=lambda: self.is_paused, mover=self.mover,
        )  # fmt: skip

    async def accept(self, job: str, *sizes: int) -> list[str]:
        """A batch of recordings; what tells each apart."""
        incoming = self.jobs.store.blobs.incoming(job)
        incoming.mkdir(parents=True)
        bodies = [os.urandom(size) for size in sizes]
        for number, body in enumerate(bodies, 1):
            (incoming / f"{number:04}").write_bytes(body)
        named = [(f"{number}.wav", size) for number, size in enumerate(sizes, 1)]
        await self.jobs.accept(job, "me", "", named)
        return [hashlib.sha256(body).hexdigest() for body in bodies]

    async def states(self, job: str) -> list[FileState]:
        return [file.state for file in (await self.jobs.get(job))[1]]

    async def texts(self, job: str) -> list[str]:
        _, files, _ = await self.jobs.get(job)
        return [self.jobs.store.blobs.read(file)["text"] for file in files]

    async def is_over(self, job: str) -> bool:
        return (await self.jobs.get(job))[0].finished is not None


@contextlib.asynccontextmanager
async def running(node: Node) -> AsyncIterator[Node]:
    await node.jobs.start([])
    try:
        yield node
    finally:
        await node.jobs.finish(1.0)
        await node.jobs.close()


async def until(is_so: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = is_so()
        if found if not isinstance(found, Awaitable) else await found:
            return
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def count(postgres: Postgres, address: str, what: str) -> int:
    return int(postgres.rows(f"SELECT count(*) FROM {what}", address)[0][0])  # noqa: S608


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
from seacod.jobs.places import Move, RecordingPlaces, read_access
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


def marked(store: JobStore, place: Any) -> None:
    identity, _ = store.identity_of(place.root)
    RecordingPlaces(dict).mark(place.root, identity)
    store.place_is_marked(place.root)


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


def test_several_nodes_may_mark_a_place_at_once(tmp_path: Path) -> None:
    place = directory(tmp_path / "place")
    with ThreadPoolExecutor(8) as threads:
        marks = [threads.submit(RecordingPlaces(dict).mark, place.root, "ours") for _ in range(64)]
        for one in marks:
            one.result()
    assert place.names() == [MARK]
    assert RecordingPlaces(dict).look(place.root, "ours", is_marked=True)


def test_a_client_that_goes_in_the_middle_does_not_make_its_place_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = Hanging(tmp_path / "place")

    async def work() -> None:
        mover = RecordingMover(hanging.root, BIG, RecordingPlaces(dict))
        reserved = outside.Reserved(hanging.root, "ours", True, {})
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


def test_a_place_that_hangs_keeps_no_other_and_gets_no_more_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place_threads, "_LOOK_SECONDS", 0.05)
    hanging, healthy = Hanging(tmp_path / "old"), directory(tmp_path / "new")
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    (incoming / "0001").write_bytes(b"sound")
    reserved = outside.Reserved(healthy.root, "ours", False, {1: f"{healthy.root}/job/0001"})

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


def test_one_recording_that_cannot_be_read_fails_by_itself_and_its_place_goes_on(
    shared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_STORE_AGAIN_SECONDS", 0.05)
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
        from seacod.system.remote_files import RemoteFiles

        assert not RemoteFiles(read_access(None, place.access)).find(f"{place.root}/")
    else:
        assert not os.listdir(place.root)
        # Also where it did not get so far as to read it.
        os.mkdir(check)
        os.symlink("/dev/full", f"{check}/{os.getpid()}.part")
        with pytest.raises(StorageFull):
            places_of.try_out(place.root, 2_500_000)
        assert not os.listdir(place.root)


def found(tmp_path: Path, address: str, root: str, access: Mapping[str, str]) -> Finding:
    """What the checklist says."""
    config, password, lines = tmp_path / "seacod.yaml", tmp_path / "password", tmp_path / "access"
    password.write_text("a secret")
    lines.write_text("".join(f"{name}={value}\n" for name, value in access.items()) or "#\n")
    for file in (password, lines):
        file.chmod(0o600)
    config.write_text(
        f"paths: {{state_directory: {tmp_path}}}\n"
        f"results: {{database: '{address}', database_password_file: {password}, "
        f"recordings: '{root}', recordings_access_file: {lines}}}\n"
    )
    return check_jobs(CheckContext(config, None, False))


def test_the_checklist_tries_the_place_and_names_what_stands_in_the_way(
    postgres: Postgres, shared: str, objects: ObjectStore, place: Any, tmp_path: Path
) -> None:
    told = found(tmp_path, shared, place.root, place.access)
    assert told.status is Status.OK, told
    assert place.root in told.seen[0]
    assert place.names() == []
    if place.access:
        told = found(tmp_path, shared, place.root, objects.reader)
        assert "refuses these credentials" in told.seen[0]
    nowhere = "s3://none" if place.access else f"{place.root}-none"
    told = found(tmp_path, shared, nowhere, place.access)
    assert told.status is Status.FAIL
    # Used by others.
    other = postgres.fresh()
    with contextlib.closing(open_store(tmp_path / "other", other)) as store:
        reserved = store.reserve(place.root, "job", [1])
        RecordingPlaces(lambda: read_access(None, place.access)).mark(place.root, reserved.identity)
        store.place_is_marked(place.root)
    assert found(tmp_path, other, place.root, place.access).status is Status.OK
    told = found(tmp_path, shared, place.root, place.access)
    assert told.status is Status.FAIL
    assert "another database" in told.seen[0]


def test_the_checklist_sees_that_the_unit_of_the_service_leaves_a_directory_closed(
    shared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As systemd would answer, which is not everywhere where tests run."""
    place = directory(tmp_path / "place")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    def unit(open_paths: str, load: str = "loaded") -> Finding:
        command = tmp_path / "bin/systemctl"
        command.write_text(
            f"#!/bin/sh\ncase $3 in LoadState) echo {load};; ProtectSystem) echo strict;;\n"
            f"ReadWritePaths) echo '{open_paths}';; esac\n"
        )
        command.chmod(0o755)
        return found(tmp_path / "state", shared, place.root, {})

    (tmp_path / "state").mkdir()
    told = unit("-/var/lib/other /mnt")
    assert told.status is Status.FAIL
    assert "ReadWritePaths=" in told.seen[0]
    for fine in (unit(place.root), unit(f"-{tmp_path} /mnt"), unit("", "not-found")):
        assert fine.status is Status.OK, fine


def test_who_asks_is_read_from_a_file_of_lines_and_masked() -> None:
    from seacod.system.masking import masked

    secret = "# of MinIO\nexport AWS_SECRET_ACCESS_KEY='a long secret'\nAWS_ACCESS_KEY_ID=me\n"
    given = read_access(secret, {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "other"})
    assert given == {
        "AWS_SECRET_ACCESS_KEY": "a long secret", "AWS_ACCESS_KEY_ID": "me",
        "AWS_REGION": "eu-west-1",
    }  # fmt: skip
    assert masked("it is a long secret.") == "it is ****."
    assert outside.root_of("s3://bucket/prefix/job/0001") == "s3://bucket/prefix"
