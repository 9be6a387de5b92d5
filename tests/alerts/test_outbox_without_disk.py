"""A start on a full disk, and one that fills later: what waits is neither lost nor late, and lies
in its file afterwards."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from test_damaged_outbox import Site

from seacod.alerts.alert import Alert, Told
from seacod.alerts.outbox import Outbox
from seacod.alerts.outbox_file import FILE
from seacod.supervisor.bus import AlertRaised
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
        env={**os.environ, "PYTHONPATH": f"{STORY.parents[2]}:{STORY.parents[1]}"},
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


def test_what_a_file_in_use_refuses_goes_on_in_memory_and_comes_back(tmp_path: Path) -> None:
    """What waited keeps its number: it may be on its way at that moment."""
    site = Site(tmp_path)
    outbox = site.alerting.outbox
    outbox.add(alert("leak"), Told(True, 5.0, 5.0, 0), ["mail"], 0.0)
    (before,) = outbox.waiting("mail")
    site.alerting.delivery._held_until["mail"] = float("inf")
    outbox._db.execute("PRAGMA query_only=1")
    site.bus.publish(AlertRaised("disk_full", "It is full.", "已满。", "/x"))
    assert site.waiting() == ["leak"]
    with contextlib.closing(sqlite3.connect(outbox.path, isolation_level=None)) as other:
        # The file takes nothing for longer than one look.
        other.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            site.alerting._rescue()
            site.alerting.deduplicator.tick()
            assert outbox.is_in_memory
        assert site.waiting() == ["leak", "disk_full"]
        assert site.alerting.delivery._held_until["mail"] == 0.0
        outbox.delivered([before.id], 6.0, "ok")
        other.execute("ROLLBACK")
    site.alerting._rescue()
    assert not outbox.is_in_memory
    outbox.close()
    with contextlib.closing(Outbox(outbox.path)) as after:
        assert [one.alert.kind for one in after.waiting("mail")] == ["disk_full"]
        assert [one.state for one in after.recent(9)] == ["waiting", "delivered"]
        assert ("disk_full", "/x") in {(kind, key) for kind, key, _ in after.open_alerts()}
