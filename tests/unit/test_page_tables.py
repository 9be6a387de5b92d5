"""A process that was forked from one that had used a file does not fault on it, page by page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_TRY = """
import mmap, os, resource, sys
from seacod.system.processes import page_tables

SIZE = 8 << 20
with open(sys.argv[1], "rb") as file:
    mapped = mmap.mmap(file.fileno(), SIZE, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)

def read(): return sum(mapped[at] for at in range(0, SIZE // 2, 4096))

def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

read()
spans = page_tables.used_of_files()
for enters in (False, True):
    sys.stdout.flush()
    if not os.fork():
        if enters:
            page_tables.enter(spans)
        before = faults()
        read()
        print(faults() - before)
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""


def test_what_was_used_is_there_at_once(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(bytes(8 << 20))
    done = subprocess.run(
        [sys.executable, "-c", _TRY, str(file)], capture_output=True, text=True, check=True
    )
    without, entered = map(int, done.stdout.split())
    if without < 8:
        pytest.skip("this kernel enters whole files at a fault")
    assert entered < without / 2
