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
