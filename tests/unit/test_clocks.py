"""A clock that is set back or far ahead: nothing stored waits for a time that is hours away, and
nothing is taken for old."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from in_use import in_use
from simulated_clock import Clock, Machine

from seacod.alerts import attempt
from seacod.alerts.alert import Alert, Told
from seacod.alerts.channels.base import Undelivered
from seacod.alerts.deduplicator import Deduplicator
from seacod.alerts.delivery import Delivery
from seacod.alerts.outbox import Outbox
from seacod.config.alerts import AlertSettings
from seacod.jobs.model import FileState
from seacod.jobs.opening import open_store
from seacod.jobs.runner import Jobs
from seacod.jobs.store import JobStore
from seacod.supervisor.clock import Moment
from seacod.supervisor.crash import Crash
from seacod.supervisor.watch import crashes
from seacod.supervisor.watch.sweeper import sweep
from seacod.web.logins import sessions
from seacod.web.logins.sessions import Sessions

HOUR = 3600.0


class Alerts:
    """An outbox in memory, with a clock to turn and a channel that takes everything."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_800_000_000.0
        self.sent: list[str] = []
        self.outbox = Outbox(Path(":memory:"))
        self.settings = AlertSettings(
            mail_server="localhost", mail_from="a@example.org", mail_to="b@example.org"
        )
        self.deduplicator = Deduplicator(
            self.outbox, in_use(alerts=self.settings), lambda: ["mail"], clock=lambda: self.now,
            evidence=dict, on_message=lambda: None,
        )  # fmt: skip
        self.delivery = Delivery(
            self.outbox, in_use(alerts=self.settings), on_trouble=lambda *_: None,
            touch=lambda: None, clock=lambda: self.now,
        )  # fmt: skip
        monkeypatch.setattr(attempt, "send", self._send)

    async def _send(self, channel: Any, composed: Any, messages: Any) -> str:
        self.sent += [message.alert.kind for message in messages]
        return "taken"

    def deliver(self) -> list[str]:
        self.sent = []
        asyncio.run(self.delivery._deliver("mail", False))
        return self.sent


@pytest.fixture
def alerts(monkeypatch: pytest.MonkeyPatch) -> Alerts:
    return Alerts(monkeypatch)


def test_messages_put_off_by_a_clock_that_was_ahead_are_due_at_once(alerts: Alerts) -> None:
    """Tried once and due in eight hours, and a new one beside it."""
    alerts.now += 8 * HOUR
    alerts.deduplicator.raised("leak", "It grows.", "增长。")
    (waiting,) = alerts.outbox.waiting("mail")
    alerts.outbox.put_off([waiting.id], alerts.now + 100.0, "not now")
    alerts.now -= 8 * HOUR
    alerts.deduplicator.raised("canary", "It is silent.", "没有结果。")
    assert alerts.deliver() == ["leak", "canary"]


def test_a_message_is_not_given_up_since_the_clock_was_set_ahead(
    alerts: Alerts, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: Any) -> str:
        raise Undelivered("not now", "暂不可用")

    monkeypatch.setattr(attempt, "send", refused)
    alerts.deduplicator.raised("leak", "It grows.", "增长。")
    for _ in range(3):
        alerts.now += 400 * 24 * HOUR
        alerts.deliver()
    (one,) = alerts.outbox.waiting("mail")
    # Tried for as long as configured it is given up.
    alerts.outbox._db.execute("UPDATE message SET attempts=864")
    alerts.now += HOUR
    alerts.deliver()
    assert not alerts.outbox.waiting("mail")
    assert one.attempts == 3


def test_what_was_taken_is_not_sent_again_because_a_full_disk_cannot_say_so(
    alerts: Alerts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    alerts.deduplicator.raised("leak", "It grows.", "增长。")
    alerts.now += 10.0
    with monkeypatch.context() as disk:
        disk.setattr(alerts.outbox, "_done", full)
        with pytest.raises(sqlite3.OperationalError):
            alerts.deliver()
        assert alerts.sent == ["leak"]
        assert alerts.deliver() == []
        alerts.deduplicator.raised("canary", "It is silent.", "没有结果。")
        alerts.now += 10.0
        with pytest.raises(sqlite3.OperationalError):
            alerts.deliver()
        assert alerts.sent == ["canary"]
    assert alerts.deliver() == []
    assert not alerts.outbox.waiting("mail")


def test_what_happens_while_a_message_is_sent_is_told_later(
    alerts: Alerts, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def meanwhile(*_: Any) -> str:
        alerts.deduplicator.raised("leak", "It grows.", "增长。")
        return "taken"

    monkeypatch.setattr(attempt, "send", meanwhile)
    alerts.deduplicator.raised("leak", "It grows.", "增长。")
    alerts.now += 10.0
    alerts.deliver()
    told = alerts.outbox.told("leak", "")
    assert told is not None
    assert told.untold == 1


def test_what_a_clock_that_was_ahead_left_in_the_outbox_holds_nothing_back(alerts: Alerts) -> None:
    """Handed in as 10-clock-set-back.sql."""
    alerts.deduplicator.raised("leak", "It grows.", "增长。")
    ahead = alerts.now + 8 * HOUR
    alerts.outbox._db.execute("UPDATE message SET attempts=1, due_at=?", (ahead,))
    alerts.outbox._db.execute("UPDATE alert SET told_at=?", (ahead,))
    alerts.deduplicator.raised("canary", "It is silent.", "没有结果。")
    alerts.deduplicator.raised("leak", "It grows again.", "再次增长。")
    alerts.now += 5
    assert alerts.deliver() == ["leak", "canary", "leak"]


def test_what_is_put_off_a_little_is_not_due(alerts: Alerts) -> None:
    alerts.deduplicator.raised("leak", "It grows.", "增长。")
    (waiting,) = alerts.outbox.waiting("mail")
    alerts.outbox.put_off([waiting.id], alerts.now + 100.0, "not now")
    assert alerts.deliver() == []
    alerts.now += 101.0
    assert alerts.deliver() == ["leak"]


def test_a_kind_told_by_a_clock_that_was_ahead_is_told_again(alerts: Alerts) -> None:
    alerts.now += 8 * HOUR
    alerts.deduplicator.raised("leak", "It grows.", "增长。")
    alerts.now += 5
    assert alerts.deliver() == ["leak"]
    alerts.now -= 8 * HOUR
    alerts.deduplicator.raised("leak", "It grows again.", "再次增长。")
    alerts.now += 5
    assert alerts.deliver() == ["leak"]


def test_what_was_only_counted_is_told_though_the_clock_was_set_back(alerts: Alerts) -> None:
    alerts.now += 8 * HOUR
    alerts.outbox.remember("leak", "", Told(True, alerts.now, alerts.now, 3))
    alerts.now -= 8 * HOUR
    alerts.deduplicator.tick()
    assert [message.alert.repeated for message in alerts.outbox.waiting("mail")] == [3]


def test_a_condition_never_lasted_less_than_nothing(alerts: Alerts) -> None:
    alerts.deduplicator.raised("disk_low", "It is full.", "已满。")
    alerts.now -= HOUR
    alerts.deduplicator.cleared("disk_low", "There is room.", "已恢复。")
    _, over = alerts.outbox.waiting("mail")
    assert over.alert.evidence["lasted_seconds"] == 0


def test_alerts_of_a_clock_that_was_set_back_survive_the_file(tmp_path: Path) -> None:
    """Told and due eight hours ahead, as it lies in the file."""
    outbox = Outbox(tmp_path / "alerts.sqlite3")
    ahead = time.time() + 8 * HOUR
    alert = Alert("leak", "", {"en": "x", "zh": "y"}, ahead)
    outbox.add(alert, Told(True, ahead, ahead, 1), ["mail"], ahead)
    assert [kind for kind, *_ in outbox.counted(time.time() - 900, time.time())] == ["leak"]
    outbox.close()


# -- what deletes by age --------------------------------------------------------------------------


def with_a_failed_job(directory: Path) -> JobStore:
    """A store of batches with one that is over."""
    store = open_store(directory)
    store.blobs.incoming("job").mkdir(parents=True)
    (store.blobs.incoming("job") / "0001").write_text("sound")
    store.accept("job", "someone", "", [("1.wav", 5)])
    store.own("1-a")
    one = store.claim("1-a", 0)
    assert one is not None and store.finish("1-a", one.file, FileState.FAILED)
    return store


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


DAY = 24 * HOUR


def test_what_was_kept_before_the_clock_was_set_ages_from_then_on(
    tmp_path: Path, alerts: Alerts, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    unset, right = 600.0, machine.wall
    machine.wall = unset
    monkeypatch.setattr(time, "time", lambda: machine.wall)
    store = with_a_failed_job(tmp_path / "jobs")
    coming = store.blobs.incoming("coming in")
    coming.mkdir(parents=True)
    upload = tmp_path / "uploads/upload-1"
    upload.parent.mkdir()
    upload.write_text("sound")
    for path in (coming.parent, upload):
        os.utime(path, (unset, unset))
    clock = machine.process()
    deduplicator = Deduplicator(
        alerts.outbox, in_use(), lambda: ["mail"], clock=lambda: machine.wall,
        evidence=dict, on_message=lambda: None, looks_longer_by=clock.looks_older_by,
    )  # fmt: skip
    deduplicator.raised("disk_low", "It is full.", "已满。")
    machine.wall = right
    deduplicator.cleared("disk_low", "There is room.", "已恢复。")
    jobs = Jobs(lambda: store, None, in_use(), clock=clock)  # type: ignore[arg-type]
    assert jobs.age_seconds(unset, 7 * DAY) == 0
    jobs._delete_expired(store)
    assert sweep(upload.parent, HOUR).removed_files == 0
    assert {"job", "coming in"} <= {path.name for path in store.blobs.directory.iterdir()}
    _, over = alerts.outbox.waiting("mail")
    assert over.alert.evidence["lasted_seconds"] == 0
    machine.passes(8 * DAY)
    jobs._delete_expired(store)
    assert not (store.blobs.directory / "job").exists()


def test_results_and_uploads_stay_when_the_clock_was_set_before_the_worker_began(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = with_a_failed_job(tmp_path / "jobs")
    store.blobs.incoming("coming in").mkdir(parents=True)
    machine.process()
    machine.wall += 400 * DAY
    ahead = time.time() + 400 * DAY
    monkeypatch.setattr(time, "time", lambda: ahead)
    jobs = Jobs(lambda: store, None, in_use(), clock=machine.process())  # type: ignore[arg-type]
    jobs._delete_expired(store)
    assert {"job", "coming in"} <= {path.name for path in store.blobs.directory.iterdir()}
    assert [one.name for one in store.get("job")[1]] == ["1.wav"]


def test_a_condition_lasted_no_longer_since_the_clock_was_set(
    alerts: Alerts, machine: Machine
) -> None:
    clock = machine.process()
    deduplicator = Deduplicator(
        alerts.outbox, in_use(), lambda: ["mail"], clock=lambda: machine.wall,
        evidence=dict, on_message=lambda: None, looks_longer_by=clock.looks_older_by,
    )  # fmt: skip
    deduplicator.raised("disk_low", "It is full.", "已满。")
    machine.passes(HOUR)
    machine.wall += 400 * DAY
    clock.look()
    deduplicator.cleared("disk_low", "There is room.", "已恢复。")
    _, over = alerts.outbox.waiting("mail")
    assert over.alert.evidence["lasted_seconds"] == pytest.approx(HOUR, abs=1)


def test_a_leftover_of_a_clock_that_was_ahead_ages_from_now_on(tmp_path: Path) -> None:
    top = tmp_path / "uploads"
    top.mkdir()
    leftover = top / "upload-1"
    leftover.write_text("sound")
    ahead = time.time() + 8 * HOUR
    os.utime(leftover, (ahead, ahead))
    assert sweep(top, HOUR).kept == 1
    assert leftover.stat().st_mtime <= time.time()
    assert sweep(top, HOUR, now=time.time() + 2 * HOUR).removed_files == 1


def test_the_newest_dossier_stays_whatever_the_clock_says(tmp_path: Path) -> None:
    def crash(at: float, pid: int) -> Crash:
        words = "signal SIGSEGV", "收到信号 SIGSEGV"
        return Crash(at, pid, words, "signal", -11, "serving", 1.0, 0, 0, "", ())

    now = time.time()
    for pid in range(60):
        crashes.keep(tmp_path, crash(now + 8 * HOUR + pid, pid), {}, [])
    crashes.keep(tmp_path, crash(now, 4711), {}, [])
    kept = crashes.kept(tmp_path)
    assert len(kept) == 50
    assert 4711 in [one["pid"] for one in kept]


def test_a_job_claimed_by_a_clock_that_was_ahead_takes_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(tmp_path / "jobs")
    for job in ("first", "second"):
        store.blobs.incoming(job).mkdir(parents=True)
        for number in (1, 2, 3):
            (store.blobs.incoming(job) / f"{number:04}").write_text("sound")
        store.accept(job, "someone", "", [(f"{n}.wav", 5) for n in (1, 2, 3)])
    store.own("1-a")

    def claimed() -> str:
        one = store.claim("1-a", 0)
        assert one is not None
        return one.file.job

    at = time.time()
    monkeypatch.setattr(time, "time", lambda: at + 8 * HOUR)
    assert claimed() == "first"
    monkeypatch.setattr(time, "time", lambda: at)
    # It would have to wait until the other one is over, or for eight hours.
    assert sorted([claimed(), claimed()]) == ["first", "second"]
    store.close()


# -- logins ---------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    at = time.time()

    def turned(by_seconds: float) -> None:
        monkeypatch.setattr(sessions.time, "time", lambda: at + by_seconds)

    return turned


def test_a_session_of_a_clock_that_was_ahead_does_not_last_for_as_much_longer(
    tmp_path: Path, clock: Callable[[float], None]
) -> None:
    logins = Sessions(tmp_path, {"li": "scrypt$a$b"}, HOUR)
    clock(30 * 24 * HOUR)
    token = logins.begin("li")
    clock(30 * 24 * HOUR - 60)
    assert logins.name(token) == "li"
    clock(0)
    assert logins.name(token) is None


def test_since_when_something_is_follows_a_clock_that_is_put_right() -> None:
    machine = Clock()
    began = Moment(machine)
    before = began.unix_seconds
    machine.now += 30
    machine.wall += 0.5
    # NTP turns it a little: nothing that is shown twice differs.
    assert began.unix_seconds == before
    machine.wall += 10 * 24 * HOUR
    assert machine.time() - began.unix_seconds == pytest.approx(30)
    assert began.age_seconds == 30
