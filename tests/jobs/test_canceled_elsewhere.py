"""A batch that is canceled at another worker or node: the one that is at it stops, and the request
counts as canceled there."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from in_use import in_use
from supervised import PATIENCE_SECONDS

from seacod.jobs import runner
from seacod.jobs.opening import open_store
from seacod.jobs.runner import Jobs
from seacod.transcript import Transcript


class Slow:
    """Recognition that never ends by itself."""

    def __init__(self) -> None:
        self.limits = SimpleNamespace(concurrent_job_files=1)
        self.begun = asyncio.Event()
        self.canceled = 0

    async def transcribe(self, *words: Any, **more: Any) -> Transcript:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.canceled += 1
            raise
        raise AssertionError


def test_the_worker_that_is_at_it_stops(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_LOOK_SECONDS", 0.05)

    async def work() -> None:
        slow = Slow()
        jobs = Jobs(lambda: open_store(tmp_path / "jobs", address), slow, in_use())  # type: ignore[arg-type]
        await jobs.start([])
        incoming = jobs.store.blobs.incoming("job")
        incoming.mkdir(parents=True)
        (incoming / "0001").write_text("sound")
        await jobs.accept("job", "me", "", [("1.wav", 5)])
        await asyncio.wait_for(slow.begun.wait(), PATIENCE_SECONDS)
        other = await asyncio.to_thread(open_store, tmp_path / "jobs", address)
        await asyncio.to_thread(other.cancel, "job")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not slow.canceled:
            assert time.monotonic() < deadline, "it goes on for nobody"
            await asyncio.sleep(0.02)
        found, files, _ = await jobs.get("job")
        assert found.is_canceled
        assert [file.state.value for file in files] == ["canceled"]
        await asyncio.to_thread(other.close)
        await jobs.finish(1.0)
        await jobs.close()

    asyncio.run(work())
