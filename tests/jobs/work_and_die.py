"""Works off the jobs in a directory and kills its process by SIGKILL at the N-th point, or freezes
it: for test_job_durability and test_frozen_workers.

A point lies before and after each statement of SQL, each rename and each removal. Recognition is a
stand-in: the text is the content of the file, after a moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from in_use import in_use
from sqlalchemy import event

from seacod import logs
from seacod.config.limits import LimitSettings
from seacod.config.log import LogSettings
from seacod.errors import NotReady
from seacod.jobs import leases, model, recovery, runner
from seacod.jobs.opening import open_store
from seacod.jobs.runner import Jobs
from seacod.jobs.store import JobStore
from seacod.transcript import Transcript

FILES = 50


class Points:
    """Counts the points passed, over all threads, and dies at the one named."""

    def __init__(self, deadly: int, end: signal.Signals) -> None:
        self.left = deadly
        self.end = end

    def passed(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.end)

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self.passed()
            result = call(*arguments, **options)
            self.passed()
            return result

        return counted


class StandIn:
    limits = LimitSettings(concurrent_job_files=3)

    async def transcribe(self, path: Path, words: str, **options: Any) -> Transcript:
        await asyncio.sleep(0.001)
        return Transcript(path.read_text(), (), 1.0, 0.1, 0.0, None, "stand-in", "cpu")


def accept(directory: Path, address: str, points: Points) -> None:
    jobs = opened(directory, address, points)
    incoming = jobs.blobs.incoming("job")
    incoming.mkdir(parents=True, exist_ok=True)
    for number in range(1, FILES + 1):
        (incoming / f"{number:04}").write_text(f"file {number}")
    jobs.accept("job", "someone", "", [(f"{n}.wav", 6) for n in range(1, FILES + 1)])
    jobs.close()


def opened(directory: Path, address: str, points: Points) -> JobStore:
    one = open_store(directory, address)
    for moment in ("before_cursor_execute", "after_cursor_execute", "commit", "rollback"):
        event.listen(one._database, moment, lambda *_: points.passed())
    return one


async def work(directory: Path, address: str, points: Points) -> None:
    jobs = Jobs(lambda: opened(directory, address, points), StandIn(), in_use())  # type: ignore[arg-type]
    await jobs.start([])
    while not await is_over(jobs):  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    await jobs.finish(1.0)
    await jobs.close()


async def is_over(jobs: Jobs) -> bool:
    # Frozen ones hold what they were at, until the database lets go of it.
    with contextlib.suppress(NotReady):
        return (await jobs.get("job"))[0].finished is not None
    return False


def run(
    environment: dict[str, str], directory: Path, deadly: int, what: str, address: str,
    end: signal.Signals = signal.SIGKILL,
) -> None:  # fmt: skip
    """In a process of its own.

    Args:
        environment: of the test; this process has that of the first one.
        directory: of the jobs.
        deadly: the point to die at; 0 for never.
        what: "accept" or "work".
        address: of PostgreSQL; empty for SQLite.
        end: what it does to itself there.
    """
    os.environ.update(environment)
    logs.configure(LogSettings(level="error"), "worker")
    # A machine whose power fails dozens of times at the same recording is not what is tried here.
    recovery.INTERRUPTIONS_ARE_POISON = model.INTERRUPTIONS_ARE_POISON = 10_000
    # Nobody waits a minute for each.
    leases.LEASE_SECONDS = runner._BLAME_SECONDS = 0.1
    runner._LOOK_SECONDS = 0.05
    points = Points(deadly, end)
    os.replace = points.around(os.replace)  # type: ignore[assignment]
    Path.unlink = points.around(Path.unlink)  # type: ignore[method-assign]
    if what == "accept":
        accept(directory, address, points)
    else:
        asyncio.run(work(directory, address, points))
