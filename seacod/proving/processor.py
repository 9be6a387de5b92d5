"""What a process and all its children cost: processor time and memory. For benches: beside other
work on the machine, processor time says more than a clock."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil


def processor_seconds(pid: int) -> float:
    """Time on a core, of a process and everything below it, the ended children included."""
    spent = 0.0
    for process in _tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            spent += times.user + times.system + times.children_user + times.children_system
    return spent


def own_bytes(pid: int) -> int:
    """Anonymous memory of a process, a page that others have, too, by its share (proc(5)).

    Pages of files are not in it, such as a model's weights, which the kernel may drop. Those of a
    file that was written a moment ago count as dirty until it is on the disk, whoever mapped them:
    so what the kernel calls private says nothing on a fresh machine.
    """
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
        if line.startswith("Pss_Anon:"):
            return int(line.split()[1]) << 10
    return 0


def _tree(pid: int) -> Iterator[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        yield top
        yield from top.children(recursive=True)
