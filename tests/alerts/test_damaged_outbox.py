"""An outbox whose file is damaged while it is in use: one line, a new one, and word of it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from seacod.alerts.alert import Alert, Told
from seacod.alerts.outbox import Outbox
from seacod.alerts.outbox_file import FILE
from seacod.config.schema import Settings
from seacod.supervisor.bus import AlertCleared, AlertRaised, Bus
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats
from seacod.supervisor.watch.alerting import Alerting
from seacod.system.clock_jumps import ClockJumps

PAGE_BYTES = 4096


class Site:
    """The alerts of a service whose mail goes nowhere."""

    def __init__(self, directory: Path) -> None:
        settings = Settings.model_validate(
            {
                "paths": {"state_directory": directory, "runtime_directory": directory / "run"},
                "alerts": {
                    "mail_server": "localhost", "mail_from": "a@example.org",
                    "mail_to": "b@example.org",
                },
            }
        )  # fmt: skip
        self.bus = Bus()
        self.path = directory / FILE
        self.alerting = Alerting(
            SettingsHolder(settings, lambda: settings), dict, TaskHeartbeats(lambda: 0.0),
            self.bus, ClockJumps(),
        )  # fmt: skip

    def waiting(self) -> list[str]:
        return [one.alert.kind for one in self.alerting.outbox.waiting("mail")]

    def looks(self, times: int = 3) -> list[str]:
        """The errors that the log has of some rounds of everybody who uses the outbox."""
        with capture_logs() as lines:
            for _ in range(times):
                for number in range(4):
                    self.bus.publish(
                        AlertCleared("gpu_lost", "It is over.", "已恢复。", f"{number}")
                    )
                asyncio.run(self.alerting.delivery._try("mail", False))
                self.alerting.close_gone(lambda kind, key: True)
                self.alerting.deduplicator.tick()
                self.alerting._rescue()
        return [line["event"] for line in lines if line["log_level"] == "error"]


def damage(path: Path, *pages: int) -> None:
    """Overwrite pages of the file itself, as a sick disk does."""
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE_BYTES)
            file.write(b"\xa5" * PAGE_BYTES)


def filled(path: Path, messages: int = 40) -> None:
    with contextlib.closing(Outbox(path)) as outbox:
        for number in range(messages):
            alert = Alert("leak", f"{number}", {"en": "x" * 900, "zh": "y"}, 5.0)
            outbox.add(alert, Told(True, 5.0, 5.0, 0), ["mail"], 0.0)
        outbox.sync()


def page_of(path: Path, table: str) -> int:
    with contextlib.closing(sqlite3.connect(path)) as db:
        found = db.execute("SELECT rootpage FROM sqlite_master WHERE name=?", (table,)).fetchone()
    return int(found[0])


@pytest.mark.parametrize("table", ["alert", "message"])
def test_one_that_is_damaged_in_use_is_put_aside_and_told(tmp_path: Path, table: str) -> None:
    path = tmp_path / FILE
    filled(path)
    site = Site(tmp_path)
    site.bus.publish(AlertRaised("gpu_lost", "It does not answer.", "无响应。", "GPU 0"))
    site.alerting.outbox.sync()
    damage(path, page_of(path, table))
    # SQLite keeps pages: a connection sees the damage when another one has written.
    site.alerting.outbox._db.execute("PRAGMA shrink_memory")
    site.bus.publish(AlertRaised("canary", "It is silent.", "没有结果。"))
    assert site.looks() == ["outbox_broken"]
    (aside,) = tmp_path.glob("alerts.broken-*[0-9]")
    assert "canary" in site.waiting()
    waiting = site.alerting.outbox.waiting("mail")
    (told,) = [one.alert for one in waiting if one.alert.kind == "alerts_lost"]
    assert str(aside) in told.text["en"] and str(aside) in told.text["zh"]
    assert site.waiting().count("leak") == (40 if table != "message" else 0)
    assert site.looks() == []
    site.alerting.outbox.close()
    # The new file is whole, and has it all.
    with contextlib.closing(Outbox(path)) as after:
        assert "alerts_lost" in [one.alert.kind for one in after.waiting("mail")]


def test_one_that_is_found_damaged_at_the_start_is_told_too(tmp_path: Path) -> None:
    path = tmp_path / FILE
    filled(path)
    damage(path, 1)
    site = Site(tmp_path)

    async def begins() -> None:
        task = asyncio.ensure_future(site.alerting.run())
        while "alerts_lost" not in site.waiting():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(begins())
    site.alerting.outbox.close()


def test_one_is_put_aside_once_however_long_no_new_one_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path / FILE)
    site = Site(tmp_path)
    site.alerting.outbox.is_damaged = True

    def full(*_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as full_disk:
        full_disk.setattr(Outbox, "_open", full)
        assert site.looks() == ["outbox_broken"]
        (tmp_path / FILE).touch()
        assert [site.looks() for _ in range(3)] == [[], [], []]
    (aside,) = tmp_path.glob("alerts.broken-*[0-9]")
    assert site.looks() == ["outbox_broken"]
    waiting = site.alerting.outbox.waiting("mail")
    (told,) = [one.alert for one in waiting if one.alert.kind == "alerts_lost"]
    assert str(aside) in told.text["en"]
    assert len(waiting) == 41
    site.alerting.outbox.close()


def test_one_that_somebody_has_removed_is_replaced_too(tmp_path: Path) -> None:
    filled(tmp_path / FILE)
    site = Site(tmp_path)
    site.alerting.outbox.is_damaged = True
    (tmp_path / FILE).unlink()
    assert site.looks() == ["outbox_broken"]
    assert not site.alerting.outbox.is_in_memory
    waiting = site.alerting.outbox.waiting("mail")
    (told,) = [one.alert for one in waiting if one.alert.kind == "alerts_lost"]
    assert "was removed" in told.text["en"]
    site.alerting.outbox.close()


def test_one_that_cannot_be_put_aside_goes_on_in_memory_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / FILE
    filled(path)
    site = Site(tmp_path)
    site.alerting.outbox.is_damaged = True

    def refused(*_: Any) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as read_only:
        read_only.setattr(Path, "rename", refused)
        assert site.looks() == ["outbox_broken"]
        site.bus.publish(AlertRaised("canary", "It is silent.", "没有结果。"))
        assert len(site.waiting()) == 41
    assert site.looks() == ["outbox_broken"]
    assert not site.alerting.outbox.is_in_memory
    assert len(site.waiting()) == 42
    site.alerting.outbox.close()
