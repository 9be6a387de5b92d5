"""Nodes whose recordings lie outside their database, for the tests of this folder."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from in_use import in_use
from object_store import ObjectStore
from postgres import Postgres
from supervised import PATIENCE_SECONDS

from seacod.jobs.model import FileState
from seacod.jobs.opening import open_store
from seacod.jobs.outside.moving import RecordingMover
from seacod.jobs.outside.places import RecordingPlaces, read_access
from seacod.jobs.runner import Jobs
from seacod.jobs.store import JobStore
from seacod.transcript import Transcript

BIG = 100_000


def directory(root: Path) -> SimpleNamespace:
    root.mkdir()

    def names() -> list[str]:
        found = (one for one in root.rglob("*") if one.is_file())
        return lasting(one.relative_to(root).as_posix() for one in found)

    return SimpleNamespace(root=str(root), access={}, names=names)


def in_objects(store: ObjectStore, access: Mapping[str, str], root: str) -> SimpleNamespace:
    from seacod.system.net.remote_files import RemoteFiles

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
            lambda: open_store(directory, address), self.hearing, in_use(),  # type: ignore[arg-type]
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


def marked(store: JobStore, place: Any) -> None:
    identity, _ = store.identity_of(place.root)
    RecordingPlaces(dict).mark(place.root, identity)
    store.place_is_marked(place.root)
