"""A start on a full disk: what waited is neither lost nor late, and lies in its file afterwards."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seacod.alerts.alert import Alert, Told
from seacod.alerts.outbox import Outbox
from seacod.alerts.outbox_file import FILE
from seacod.supervisor.watch import alerting

STORY = Path(__file__).parent / "without_disk.py"


def alert(kind: str) -> Alert:
    return Alert(kind, "", {"en": "x", "zh": "y"}, 5.0)


@pytest.mark.parametrize("end", ["closed", "killed"])
def test_a_start_on_a_full_disk_keeps_what_waits(tmp_path: Path, end: str) -> None:
    """On a file system of its own, which is really full."""
    mount = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=1m none "$0" && exec "$@"']
    if subprocess.run([*mount, tmp_path, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    told = subprocess.run(
        [*mount, tmp_path, sys.executable, STORY, tmp_path, end],
        capture_output=True, text=True, timeout=30, check=False,
        env={**os.environ, "PYTHONPATH": str(STORY.parents[2])},
    )  # fmt: skip
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize("is_readable", [True, False])
def test_what_came_meanwhile_is_beside_what_waited(tmp_path: Path, is_readable: bool) -> None:
    file = tmp_path / FILE
    with contextlib.closing(Outbox(file)) as before:
        before.add(alert("leak"), Told(True, 5.0, 5.0, 0), ["mail"], 0.0)
    if not is_readable:
        file.rename(tmp_path / "elsewhere")
    outbox = Outbox(file, in_memory=True)
    assert outbox.depth() == is_readable
    outbox.add(alert("poison"), Told(True, 6.0, 6.0, 0), ["mail"], 0.0)
    if not is_readable:
        (tmp_path / "elsewhere").rename(file)
    assert outbox.rescue()
    assert not outbox.rescue()
    outbox.close()
    with contextlib.closing(Outbox(file)) as after:
        assert [one.alert.kind for one in after.waiting("mail")] == ["leak", "poison"]
        assert {kind for kind, *_ in after.open_alerts()} == {"leak", "poison"}


def test_a_file_that_is_locked_is_not_put_aside(tmp_path: Path) -> None:
    """As by an operator's own sqlite3."""
    file = tmp_path / FILE
    with contextlib.closing(Outbox(file)) as other:
        other.add(alert("leak"), Told(True, 5.0, 5.0, 0), ["mail"], 0.0)
        other._db.execute("PRAGMA user_version=2")
        other._db.execute("BEGIN IMMEDIATE")
        outbox = alerting._opened(file)[0]
        assert outbox.depth() == 1
        assert not list(tmp_path.glob("alerts.broken-*"))
        other._db.execute("ROLLBACK")
    assert outbox.rescue()
    outbox.close()
