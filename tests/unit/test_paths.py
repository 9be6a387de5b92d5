"""The directories of a service: what is in the way of them, and what time may mend of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from seacod.config.schema import Settings
from seacod.errors import EX_CANTCREAT, EX_CONFIG, CannotWrite, ConfigError
from seacod.paths import Paths


def paths(state: Path, runtime: Path) -> Paths:
    directories = {"state_directory": state, "runtime_directory": runtime}
    return Paths.resolve(Settings.model_validate({"paths": directories}))


def test_a_full_disk_at_the_start_is_tried_again(small_disk: Path, tmp_path: Path) -> None:
    no_more = f"remount,nr_inodes={1 + len(list(small_disk.iterdir()))}"
    subprocess.run(["mount", "-o", no_more, str(small_disk)], check=True)
    with pytest.raises(CannotWrite, match="cannot be created: No space left") as told:
        paths(small_disk / "state", tmp_path / "run").make()
    assert told.value.exit_code == EX_CANTCREAT


def test_a_directory_that_is_a_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(ConfigError, match="state: this directory cannot be created") as told:
        paths(tmp_path / "state", tmp_path / "run").make()
    assert told.value.exit_code == EX_CONFIG
    with pytest.raises(ConfigError, match="state/below: this directory cannot be created"):
        paths(tmp_path / "state" / "below", tmp_path / "run").make()
