"""How much memory is left, from the kernel's figures."""

from __future__ import annotations

from pathlib import Path

from seacod.supervisor.workers.host_memory import MIB, Cgroup, available_bytes


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
