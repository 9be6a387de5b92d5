"""A file of ours is made, brought up, and left alone where a newer program has made it."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seacod.system.files.sqlite_format import bring_up

FIRST = ("CREATE TABLE thing (name TEXT)", "INSERT INTO thing VALUES ('old')")
SECOND = ("ALTER TABLE thing ADD COLUMN size INTEGER NOT NULL DEFAULT 7",)


def opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=30.0, isolation_level=None)


def test_each_version_is_made_of_the_one_before(tmp_path: Path) -> None:
    database = opened(tmp_path / "file")
    assert bring_up(database, [FIRST]) == 1
    assert bring_up(database, [FIRST, SECOND]) == 2
    assert bring_up(database, [FIRST, SECOND]) == 2
    assert database.execute("SELECT * FROM thing").fetchall() == [("old", 7)]


def test_a_step_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    database = opened(tmp_path / "file")
    bring_up(database, [FIRST])
    with pytest.raises(sqlite3.OperationalError, match="nonsense"):
        bring_up(database, [FIRST, (*SECOND, "nonsense")])
    assert database.execute("SELECT * FROM thing").fetchall() == [("old",)]
    assert bring_up(database, [FIRST, SECOND]) == 2


def test_a_newer_file_is_left_as_it_is(tmp_path: Path) -> None:
    database = opened(tmp_path / "file")
    bring_up(database, [FIRST, SECOND])
    assert bring_up(database, [FIRST]) == 2


def test_of_several_at_once_one_does_it(tmp_path: Path) -> None:
    def work(_: int) -> int:
        return bring_up(opened(tmp_path / "file"), [FIRST, SECOND])

    with ThreadPoolExecutor(8) as several:
        assert list(several.map(work, range(8))) == [2] * 8
    assert len(opened(tmp_path / "file").execute("SELECT * FROM thing").fetchall()) == 1
