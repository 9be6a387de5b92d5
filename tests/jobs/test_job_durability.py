"""A batch of 50 files through a worker that is killed at every step of it: each file is finished
exactly once, none is lost."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = 50
# More than the points of one file from claim to removal, so that each is hit.
POINTS = 48


def run(directory: Path, deadly: int, what: str) -> int:
    result = subprocess.run(
        [sys.executable, str(HERE / "work_and_die.py"), str(directory), str(deadly), what],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
    )
    assert result.returncode in (0, -signal.SIGKILL), result.stderr
    return result.returncode


def count_ends(directory: Path) -> None:
    """Have SQLite itself note every file that gets to its end."""
    database = sqlite3.connect(directory / "jobs.db")
    database.executescript(
        "CREATE TABLE ends (number INTEGER, state TEXT);"
        "CREATE TRIGGER note AFTER UPDATE OF state ON files WHEN NEW.state = 'done' "
        "BEGIN INSERT INTO ends VALUES (NEW.number, NEW.state); END;"
    )
    database.close()


def test_killed_at_every_step_each_file_is_finished_once(tmp_path: Path) -> None:
    assert run(tmp_path, 0, "accept") == 0
    count_ends(tmp_path)
    kills = 0
    for deadly in range(1, POINTS + 1):
        kills += run(tmp_path, deadly, "work") == -signal.SIGKILL
    assert run(tmp_path, 0, "work") == 0
    assert kills == POINTS
    database = sqlite3.connect(tmp_path / "jobs.db")
    ends = database.execute("SELECT number, count(*) FROM ends GROUP BY number").fetchall()
    assert ends == [(number, 1) for number in range(1, FILES + 1)]
    states = database.execute("SELECT DISTINCT state, owner FROM files").fetchall()
    assert states == [("done", None)]
    interrupted = database.execute("SELECT sum(interruptions) FROM files").fetchone()[0]
    assert interrupted > 0
    for number in range(1, FILES + 1):
        body = json.loads((tmp_path / "job/out" / f"{number:04}.json").read_text("utf-8"))
        assert (body["name"], body["text"]) == (f"{number}.wav", f"file {number}")
    assert not list((tmp_path / "job/in").iterdir())
    assert not [path for path in (tmp_path / "job/out").iterdir() if path.suffix != ".json"]


@pytest.mark.parametrize("deadly", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
def test_killed_while_accepting_it_is_accepted_whole_or_not_at_all(
    tmp_path: Path, deadly: int
) -> None:
    code = run(tmp_path, deadly, "accept")
    database = sqlite3.connect(tmp_path / "jobs.db")
    found = database.execute("SELECT count(*) FROM files").fetchone()[0]
    assert found in (0, FILES)
    if code == 0:
        assert found == FILES
