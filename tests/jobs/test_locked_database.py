"""Somebody holds the embedded database (a shell of sqlite3 with BEGIN IMMEDIATE): the service
starts and serves all the same, and who asks for batches hears 503 in seconds."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import sounds
from in_use import in_use
from sqlalchemy.exc import OperationalError
from supervised import Service, wait_until

from seacod.asr.service import TranscriptionService
from seacod.client.failures import PATIENT, Busy, Refused
from seacod.errors import NotReady
from seacod.jobs import database as tables
from seacod.jobs import open_store as rooms
from seacod.jobs import store_thread
from seacod.jobs.open_store import OpenStore
from seacod.jobs.opening import open_store
from seacod.jobs.runner import Jobs
from seacod.jobs.store import JobStore

# A client hears 503 after 5 s; a busy machine takes its time.
SOON_SECONDS = 20.0


@contextlib.contextmanager
def held(file: Path) -> Iterator[None]:
    """The file of the database, by another program."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None, timeout=60)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


def test_a_service_starts_and_serves_while_somebody_holds_the_database(tmp_path: Path) -> None:
    service = Service(tmp_path / "service")
    file = service.directory / "state" / "jobs" / "jobs.db"
    open_store(file.parent).close()
    with contextlib.ExitStack() as stack, service.client(PATIENT) as client:
        with held(file):
            stack.enter_context(service.running())
            assert client.transcribe(Path(sounds.SPEECH)).text
            assert turned_away(service) == 5
        wait_until(lambda: not turned_away(service), "batches are taken")
        # The same while it runs; the queue behind the lock is not waited for either.
        job = client.submit([("a.flac", Path(sounds.SPEECH).read_bytes())])
        wait_until(lambda: client.job(job).state == "done", "a result")
        with held(file):
            began = time.monotonic()
            assert turned_away(service) == 5
            assert time.monotonic() - began < SOON_SECONDS
        wait_until(lambda: not turned_away(service), "batches are taken again")
        assert client.job(job).state == "done"


def turned_away(service: Service) -> int:
    """When a client that asks for a batch is to come back; 0 when it got its answer."""
    with service.client() as client:
        try:
            client.job("20260101-nothing")
        except Busy as busy:
            return round(busy.retry_after_seconds or 0)
        except Refused as refused:
            assert refused.status == 404
    return 0


def test_nobody_waits_until_the_store_is_open(tmp_path: Path) -> None:
    """An address of PostgreSQL that swallows everything takes ten seconds, each."""
    may_open = threading.Event()

    def opened() -> JobStore:
        assert may_open.wait(60)
        return open_store(tmp_path / "jobs")

    async def start() -> None:
        service = SimpleNamespace(limits=SimpleNamespace(concurrent_job_files=0))
        jobs = Jobs(opened, cast("TranscriptionService", service), in_use())
        try:
            await asyncio.wait_for(jobs.start([]), SOON_SECONDS)
            assert not jobs.is_open
        finally:
            may_open.set()
        while not jobs.is_open:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await jobs.finish(1.0)
        await jobs.close()

    asyncio.run(start())


def test_who_waits_behind_a_lock_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_LOCK_SECONDS", 3600.0)
    monkeypatch.setattr(store_thread, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(store_thread, "_TOLD_SECONDS", 0.1)

    async def ask() -> list[object]:
        store = OpenStore(lambda: open_store(tmp_path), "1-x", lambda *told: None)
        await store.open()
        watching = asyncio.ensure_future(store.watch())
        with held(tmp_path / "jobs.db"):
            asked = (store.ask(lambda one: one.get("20260101-nothing")) for _ in range(3))
            told = await asyncio.wait_for(
                asyncio.gather(*asked, return_exceptions=True), SOON_SECONDS
            )
        watching.cancel()
        await store.close()
        return told

    assert [type(one) for one in asyncio.run(ask())] == [NotReady] * 3


def test_a_database_that_fails_for_half_a_minute_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock: a look that waits for a lock takes long itself."""
    now, told = [100.0], list[tuple[str, bool]]()
    monkeypatch.setattr(rooms.time, "monotonic", lambda: now[0])
    store = OpenStore(
        lambda: pytest.fail("nobody opens it"),
        "1-x",
        lambda kind, english, chinese, is_over: told.append((kind, is_over)),
    )
    locked = OperationalError("BEGIN", None, sqlite3.OperationalError("database is locked"))
    for seconds in (10.0, 12.0, 12.0):
        store.failed(locked)
        now[0] += seconds
        assert not told
    store.failed(locked)
    assert told == [("jobs", False)]
    store.failed(locked)
    store.succeeded()
    assert told == [("jobs", False), ("jobs", True)]
