"""A worker that has lost its inference thread or its beat ends at once and says what it lost."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Each runs in a process of its own, which has to end: nothing else in it does.
_BEAT = """
import asyncio, socket
from seacod.worker import lost_part
from seacod.worker.control import ControlChannel

async def main():
    ours, theirs = socket.socketpair()
    channel = ControlChannel(ours)
    await channel.open()
    def report(since):
        raise ValueError("no figures")
    lost_part.watch(asyncio.ensure_future(channel.beat(report)), "beat")
    await asyncio.sleep(600)

asyncio.run(main())
"""
_THREAD = """
import asyncio
from functools import partial
from seacod.asr.scheduler import Scheduler
from seacod.worker import lost_part

async def main():
    scheduler = Scheduler(
        object, batch_seconds=8.0, on_lost=partial(lost_part.end_worker, "inference thread")
    )
    await scheduler.start()
    def broken(**_):
        raise ValueError("no figures")
    scheduler._queue.take = broken
    from seacod.asr.hotwords import Hotwords
    from seacod.asr.request import RecognitionRequest
    import numpy
    scheduler.submit(RecognitionRequest("a", Hotwords()), numpy.zeros(16000, numpy.float32))
    await asyncio.sleep(600)

asyncio.run(main())
"""
_CANCELLED = """
import asyncio
from seacod.worker import lost_part

async def main():
    task = asyncio.ensure_future(asyncio.sleep(600))
    lost_part.watch(task, "beat")
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

asyncio.run(main())
"""


def ended(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(("script", "part"), [(_BEAT, "beat"), (_THREAD, "inference thread")])
def test_a_worker_that_lost_a_part_ends_at_once_and_names_it(script: str, part: str) -> None:
    done = ended(script)
    assert done.returncode == 70
    told = done.stdout + done.stderr
    assert "worker_part_lost" in told
    assert part in told
    assert "no figures" in told


def test_what_is_cancelled_is_not_lost() -> None:
    assert ended(_CANCELLED).returncode == 0
