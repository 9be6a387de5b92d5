"""Whoever looks on while a drill is on finds nothing for a moment, and goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from seacod.config.load import load_settings
from seacod.errors import ConfigError
from seacod.proving.target import LocalService


def test_a_configuration_that_is_refused_for_a_moment_is_no_end(tmp_path: Path) -> None:
    config = tmp_path / "seacod.yaml"
    config.write_text("this_is_a_drill: 1\n")
    with pytest.raises(ConfigError):
        load_settings(config)
    assert LocalService(config, None).status() == {}
