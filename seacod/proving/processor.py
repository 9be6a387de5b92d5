"""What a process and all its children cost: processor time and memory. For benches: beside other
work on the machine, processor time says more than a clock."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psutil


def processor_seconds(pid: int) -> float:
    """Time on a core, of a process and everything below it, the ended children included."""
    spent = 0.0
    for process in _tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            spent += times.user + times.system + times.children_user + times.children_system
    return spent


def private_bytes(pid: int) -> int:
    """Memory that would be free without this process alone."""
    return int(psutil.Process(pid).memory_full_info().uss)


def _tree(pid: int) -> Iterator[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        yield top
        yield from top.children(recursive=True)
