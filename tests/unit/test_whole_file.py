"""Files that are written whole, also by root into a directory of somebody else's."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from seacod.system.files import whole_file


def test_what_is_there_is_replaced_and_nothing_else_left(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file"
    whole_file.write(target, b"one")
    whole_file.write(target, b"two", 0o604)
    assert target.read_bytes() == b"two"
    assert stat.S_IMODE(target.stat().st_mode) == 0o604
    assert [one.name for one in target.parent.iterdir()] == ["file"]


def test_a_link_or_a_pipe_in_its_place_leads_nowhere(tmp_path: Path) -> None:
    precious, part = tmp_path / "precious", tmp_path / ".file.part"
    precious.write_text("as it was")
    precious.chmod(0o600)
    part.symlink_to(precious)
    with pytest.raises(OSError):
        whole_file.write(tmp_path / "file", b"other", 0o644)
    part.unlink(missing_ok=True)
    os.mkfifo(part)
    with pytest.raises(OSError):
        whole_file.write(tmp_path / "file", b"other")
    assert precious.read_text() == "as it was"
    assert stat.S_IMODE(precious.stat().st_mode) == 0o600


def test_what_cannot_be_put_in_place_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError):
        whole_file.write(tmp_path / "file", b"other")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_name_as_long_as_names_may_be(tmp_path: Path) -> None:
    target = tmp_path / ("名" * 83 + ".srt")
    whole_file.write(target, b"text")
    assert [one.name for one in tmp_path.iterdir()] == [target.name]
