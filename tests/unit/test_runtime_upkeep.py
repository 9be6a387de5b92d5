"""What the service keeps in its runtime directory, when somebody closes that to its own user."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from seacod.metrics import SupervisorMetrics
from seacod.supervisor import kept_going
from seacod.supervisor.bus import AlertCleared, AlertRaised, Bus
from seacod.supervisor.runtime_upkeep import AddressFile, RuntimeUpkeep
from seacod.supervisor.status import StatusSocket
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats

NOBODY = 65534


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Root may do everything everywhere."""
    if os.getuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def run() -> Iterator[Path]:
    # pytest's own directories are closed to others.
    directory = Path(tempfile.mkdtemp(prefix="seacod-run-"))
    if os.getuid() == 0:
        os.chown(directory, NOBODY, NOBODY)
    yield directory
    directory.chmod(0o755)
    shutil.rmtree(directory)


def test_a_directory_that_is_closed_to_us_is_told_and_used_again(run: Path) -> None:
    told: list[str] = []
    bus = Bus(lambda: None)
    bus.subscribe(AlertRaised, lambda event: told.append(event.english))
    bus.subscribe(AlertCleared, lambda event: told.append("over"))

    async def scene() -> None:
        status = StatusSocket(run / "status.sock", lambda: {"state": "serving"})
        address = AddressFile(run / "address", "http://127.0.0.1:7860")
        await status.open()
        await address.remake()
        upkeep = RuntimeUpkeep(
            run, (status, address), (), lambda cause: None, bus, TaskHeartbeats(time.monotonic)
        )
        run.chmod(0)
        for _ in range(2):
            await upkeep.look()
        (text,) = told
        assert "cannot be made anew" in text
        assert "Permission denied" in text
        run.chmod(0o755)
        await upkeep.look()
        assert told[1:] == ["over"]
        reader, writer = await asyncio.open_unix_connection(run / "status.sock")
        assert b"serving" in await reader.read()
        writer.close()
        for one in (status, address):
            await one.remove()
        assert not list(run.iterdir())

    with as_nobody():
        asyncio.run(scene())


def test_a_task_that_breaks_is_begun_anew_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_going, "_BROKEN_PAUSE_SECONDS", 0.0)
    metrics, tries = SupervisorMetrics(tmp_path), [0]

    async def run_once() -> None:
        tries[0] += 1
        if tries[0] < 3:
            raise PermissionError("closed")

    asyncio.run(kept_going.kept_going("runtime", run_once, metrics))
    assert tries == [3]
    assert metrics.watch_failures.labels("runtime")._value.get() == 2
