"""A start is rehearsed where there is room for it; without, everything starts all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from seacod.config.schema import Settings
from seacod.paths import Paths
from seacod.worker.rehearsal import rehearse


@pytest.mark.parametrize("has_room", [True, False])
def test_without_room_it_is_left_out(tmp_path: Path, has_room: bool) -> None:
    settings = Settings.model_validate(
        {"paths": {"state_directory": str(tmp_path), "runtime_directory": str(tmp_path)}}
    )
    paths = Paths.resolve(settings)
    if has_room:
        paths.temp.mkdir(parents=True)
    rehearse(settings, paths)
    assert not has_room or not list(paths.temp.iterdir())
