"""What `seacod config check` looks at beyond the file itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from seacod.config import reach
from seacod.config.schema import Settings
from seacod.errors import ConfigError


def test_a_file_of_hotwords_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    settings = Settings.model_validate({"asr": {"hotwords_file": file}})
    with pytest.raises(ConfigError, match="asr.hotwords_file: .*words.txt: No such file"):
        reach.check(settings, None, ())
    file.write_text("海鸟")
    reach.check(settings, None, ())


def test_so_is_one_in_a_directory(tmp_path: Path) -> None:
    settings = Settings.model_validate({"asr": {"hotwords_file": tmp_path}})
    reach.check(settings, None, ())
    (tmp_path / "clinic.txt").symlink_to(tmp_path / "nothing")
    with pytest.raises(ConfigError, match="asr.hotwords_file"):
        reach.check(settings, None, ())
