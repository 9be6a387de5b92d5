"""Whether a second worker fits, from the kernel's figures."""

from __future__ import annotations

import os
from pathlib import Path

from seacod.supervisor.workers.host_memory import (
    MIB,
    RESERVE_BYTES,
    Cgroup,
    HostMemoryGate,
    available_bytes,
)


def write(directory: Path, **files: str) -> Path:
    for name, text in files.items():
        (directory / name.replace("_", ".", 1)).write_text(text)
    return directory


def test_the_tighter_of_max_and_high_counts_and_the_page_cache_is_free(tmp_path: Path) -> None:
    group = Cgroup(
        write(
            tmp_path,
            memory_max=f"{1000 * MIB}\n",
            memory_high=f"{800 * MIB}\n",
            memory_current=f"{500 * MIB}\n",
            memory_stat=f"anon 1\ninactive_file {100 * MIB}\n",
        ),
        2,
    )
    assert group.room_bytes() == 400 * MIB


def test_no_limit_is_no_limit(tmp_path: Path) -> None:
    group = write(tmp_path, memory_max="max\n", memory_high="max\n", memory_current="1\n")
    assert Cgroup(group, 2).room_bytes() is None
    assert Cgroup(tmp_path / "none", 2).room_bytes() is None


def test_version_1(tmp_path: Path) -> None:
    write(tmp_path, memory_limit_in_bytes="9223372036854771712", memory_usage_in_bytes="5")
    assert Cgroup(tmp_path, 1).room_bytes() is None
    write(tmp_path, memory_limit_in_bytes=str(10 * MIB))
    assert Cgroup(tmp_path, 1).room_bytes() == 10 * MIB - 5


def test_this_machine_has_some() -> None:
    assert available_bytes() > 0


def test_room_is_what_a_worker_takes_and_a_reserve() -> None:
    free = 0
    gate = HostMemoryGate(available=lambda: free)
    gate.measured(os.getpid())
    needed = gate.worker_bytes + RESERVE_BYTES
    assert 0 < gate.worker_bytes < 4096 * MIB
    free = needed - 1
    assert not gate.for_one_more()
    free = needed
    assert gate.for_one_more()
    assert not gate.is_tight()
    free = 0
    assert gate.is_tight()


def test_a_process_that_is_gone_teaches_nothing() -> None:
    gate = HostMemoryGate()
    before = gate.worker_bytes
    gate.measured(2**22 - 1)
    assert gate.worker_bytes == before
