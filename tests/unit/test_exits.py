"""Why a worker ended, from its status and the kernel's count."""

from __future__ import annotations

from pathlib import Path

import pytest

from seacod.supervisor.workers.exits import ExitKind, MemoryKills, classify
from seacod.supervisor.workers.host_memory import Cgroup


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (0, ExitKind.NORMAL, "exit code 0"),
        (1, ExitKind.FAILED, "exit code 1"),
        (78, ExitKind.CONFIGURATION, "configuration"),
        (69, ExitKind.MODEL, "model"),
        (-9, ExitKind.SIGNAL, "SIGKILL"),
        (-11, ExitKind.SIGNAL, "SIGSEGV"),
        (-63, ExitKind.SIGNAL, "63"),
    ],
)
def test_each_end_has_its_kind_and_its_words(status: int, kind: ExitKind, words: str) -> None:
    end = classify(status, is_out_of_memory=False)
    assert end.kind is kind
    assert words in end.cause


def test_a_kill_for_memory_is_told_from_a_kill_by_somebody() -> None:
    assert classify(-9, is_out_of_memory=True).kind is ExitKind.OUT_OF_MEMORY
    # Something else of ours was killed for memory; this one ended by itself.
    assert classify(-11, is_out_of_memory=True).kind is ExitKind.SIGNAL
    assert classify(1, is_out_of_memory=True).kind is ExitKind.FAILED


def test_the_kernels_count_is_read_as_it_grows(tmp_path: Path) -> None:
    events = tmp_path / "memory.events"
    events.write_text("low 0\nhigh 3\nmax 1\noom 1\noom_kill 1\n")
    kills = MemoryKills(Cgroup(tmp_path, 2))
    assert not kills.happened()
    events.write_text("low 0\nhigh 3\nmax 1\noom 2\noom_kill 2\n")
    assert kills.happened()
    assert not kills.happened()


def test_version_1_counts_in_another_file(tmp_path: Path) -> None:
    control = tmp_path / "memory.oom_control"
    control.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 4\n")
    kills = MemoryKills(Cgroup(tmp_path, 1))
    assert not kills.happened()
    control.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n")
    assert kills.happened()


def test_without_a_memory_controller_nothing_is_counted(tmp_path: Path) -> None:
    assert not MemoryKills(Cgroup(tmp_path / "none", 2)).happened()
