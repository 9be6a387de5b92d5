"""`seacod check disk` says what the service would do at its own limits: warn, or refuse."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seacod.config.schema import Settings
from seacod.proving.checks.items import machine

GIB = 1 << 30


@pytest.mark.parametrize(
    ("free", "warns", "refuses", "status"),
    [
        (62, 2, 80, "fail"),
        (80, 2, 80, "ok"),
        (62, 70, 1, "warn"),
        (70, 70, 1, "ok"),
        (19, 2, 1, "warn"),
        (20, 2, 1, "ok"),
        (19, 2, 19.5, "fail"),
        (62, 0, 0, "ok"),
    ],
)
def test_below_at_and_above_each_limit(
    monkeypatch: pytest.MonkeyPatch, free: int, warns: int, refuses: float, status: str
) -> None:
    monkeypatch.setattr(machine, "free_bytes", lambda place: free * GIB)
    monkeypatch.setattr(machine, "free_files", lambda place: None)
    storage = {"free_warn_bytes": warns * GIB, "free_refuse_bytes": int(refuses * GIB)}
    context: Any = SimpleNamespace(
        paths=SimpleNamespace(state=Path("/a"), temp=Path("/b")),
        settings=Settings.model_validate({"storage": storage}),
    )
    found = machine.disk(context)
    assert found.status.value == status
    for words, say in zip(found.seen, ("free in", "剩余"), strict=True):
        assert say in words
        assert ("storage.free_refuse_bytes" in words) is (status == "fail")


def context_of(state: Path, temp: Path) -> Any:
    return SimpleNamespace(paths=SimpleNamespace(state=state, temp=temp), settings=Settings())


def test_a_directory_that_is_not_there_yet_is_named_with_what_makes_it(tmp_path: Path) -> None:
    state = tmp_path / "state"
    found = machine.disk(context_of(state, state / "uploads"))
    assert found.status.value == "warn"
    assert found.seen[0] == f"{state}: is not there yet"
    assert "systemctl start seacod" in found.mend[0]
    assert "systemctl start seacod" in found.mend[1]
    # What lies where no directory can be is no matter of waiting.
    (tmp_path / "file").touch()
    found = machine.disk(context_of(tmp_path / "file" / "x", tmp_path))
    assert found.status.value == "fail"
    assert "Not a directory" in found.seen[0]


def test_inodes_that_are_used_up_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "free_bytes", lambda place: 99 * GIB)
    for free, status in ((0, "fail"), (999, "fail"), (1000, "ok"), (None, "ok")):
        monkeypatch.setattr(machine, "free_files", lambda place, free=free: free)
        found = machine.disk(context_of(tmp_path, tmp_path))
        assert found.status.value == status
        assert ("inodes are used up" in found.seen[0]) is (status == "fail")
        assert ("df -i" in found.mend[1]) is (status == "fail")
