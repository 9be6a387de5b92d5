"""What the supervisor does about a disk that fills, a channel that fails and a GPU that is full."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hung_disk import hung

from seacod.config.schema import Settings
from seacod.config.storage import StorageSettings
from seacod.supervisor.bus import AlertCleared, AlertRaised, Bus
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats
from seacod.supervisor.watch import disk, replica_watch
from seacod.supervisor.watch.alerting import Alerting
from seacod.supervisor.watch.disk import Housekeeping
from seacod.system.clock_jumps import ClockJumps

MIB = 1 << 20


class Told:
    """A deduplicator that only writes down what it is told."""

    def __init__(self) -> None:
        self.open: set[tuple[str, str]] = set()
        self.said: list[str] = []
        self.bus = Bus()
        self.bus.subscribe(AlertRaised, lambda one: self.raised(one.kind, "", "", key=one.key))
        self.bus.subscribe(AlertCleared, lambda one: self.cleared(one.kind, "", "", key=one.key))

    def raised(self, kind: str, english: str, chinese: str, *, key: str = "", **_: Any) -> None:
        self.open.add((kind, key))
        self.said.append(kind)

    def cleared(self, kind: str, english: str, chinese: str, *, key: str = "", **_: Any) -> None:
        if (kind, key) in self.open:
            self.open.discard((kind, key))
            self.said.append(f"{kind} over")


def holder(directory: Path, **sections: Any) -> SettingsHolder:
    paths = {
        name: directory / name
        for name in ("state_directory", "runtime_directory", "temp_directory")
    }
    settings = Settings.model_validate({"paths": paths, **sections})
    made = SettingsHolder(settings, lambda: settings)
    made.paths.make()
    return made


def test_a_level_is_told_once_and_over_only_with_a_margin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    keeping = Housekeeping(
        holder(tmp_path),
        told.bus,
        lambda count: None,
        TaskHeartbeats(lambda: 0.0),
        ClockJumps(),
    )
    limits = StorageSettings(free_warn_bytes=1000 * MIB, free_refuse_bytes=100 * MIB)
    free = 0
    monkeypatch.setattr(disk, "free_bytes", lambda place: free)

    async def look(*readings: int) -> list[str]:
        nonlocal free
        before = len(told.said)
        for mib in readings:
            free = mib * MIB
            await keeping._look_at_free_space(limits)
        return told.said[before:]

    async def test() -> None:
        assert await look(1000, 1001) == [], "at the limit nothing is said"
        assert await look(999, 900, 999) == ["disk_low"]
        assert await look(99) == ["disk_full"]
        assert await look(105) == []
        assert await look(111) == ["disk_full over"]
        assert await look(1050, 1100) == []
        assert await look(1101) == ["disk_low over"]

    asyncio.run(test())


def test_an_upload_is_not_swept_since_the_clock_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = holder(tmp_path)
    clock = ClockJumps(wall=lambda: time.time())
    clock.look()
    heartbeats = TaskHeartbeats(lambda: 0.0)
    keeping = Housekeeping(settings, Bus(), lambda count: None, heartbeats, clock)
    (settings.paths.temp / "upload-1").write_text("sound")
    ahead = time.time() + 400 * 86_400
    monkeypatch.setattr(time, "time", lambda: ahead)
    clock.look()
    asyncio.run(keeping._sweep(3600))
    assert (settings.paths.temp / "upload-1").exists()


@pytest.fixture
def other_disk() -> Iterator[Path]:
    """A directory on another file system than tmp_path."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("/dev/shm is missing: a second file system")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        yield Path(directory)


def test_each_file_system_is_told_by_itself_with_what_lies_there(
    tmp_path: Path, other_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = holder(tmp_path)
    jobs, temp = settings.paths.jobs, settings.paths.temp
    jobs.symlink_to(other_disk)
    bus, told = Bus(), list[AlertRaised | AlertCleared]()
    bus.subscribe(AlertRaised, told.append)
    bus.subscribe(AlertCleared, told.append)
    heartbeats = TaskHeartbeats(lambda: 0.0)
    keeping = Housekeeping(settings, bus, lambda count: None, heartbeats, ClockJumps())
    free = {temp: 900 * MIB, settings.paths.state: 900 * MIB, jobs: 5 * MIB}
    monkeypatch.setattr(disk, "free_bytes", free.__getitem__)
    limits = StorageSettings(free_warn_bytes=500 * MIB, free_refuse_bytes=100 * MIB)
    asyncio.run(keeping._look_at_free_space(limits))
    raised = [one for one in told if isinstance(one, AlertRaised)]
    assert [(one.kind, one.key) for one in raised] == [
        ("disk_low", str(jobs)),
        ("disk_full", str(jobs)),
    ]
    for one in raised:
        assert f"5 MiB are free on the disk of batches ({jobs});" in one.english
        assert str(temp) not in one.english + one.chinese
    assert keeping.free_at == {"uploads": 900 * MIB, "batches": 5 * MIB, "state": 900 * MIB}
    assert keeping.free_bytes == 5 * MIB


def test_a_full_disk_of_the_state_alone_refuses_nobody(
    tmp_path: Path, other_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = holder(tmp_path)
    settings.paths.jobs.symlink_to(other_disk)
    settings.paths.temp.rmdir()
    settings.paths.temp.symlink_to(other_disk)
    told = Told()
    heartbeats = TaskHeartbeats(lambda: 0.0)
    keeping = Housekeeping(settings, told.bus, lambda count: None, heartbeats, ClockJumps())
    monkeypatch.setattr(disk, "free_bytes", lambda one: one != settings.paths.state and 900 * MIB)
    limits = StorageSettings(free_warn_bytes=500 * MIB, free_refuse_bytes=100 * MIB)
    asyncio.run(keeping._look_at_free_space(limits))
    assert told.open == {("disk_low", str(settings.paths.state))}


def test_a_channel_that_fails_is_told_once_and_that_it_works_again(tmp_path: Path) -> None:
    alerting = Alerting(holder(tmp_path), dict, TaskHeartbeats(lambda: 0.0), Bus(), ClockJumps())
    told = alerting.deduplicator = Told()  # type: ignore[assignment]
    alerting._on_trouble("mail", None)
    assert told.said == []
    for _ in range(3):
        alerting._on_trouble("mail", ("535 wrong password", "535 密码错误"))
    assert told.said == ["delivery"]
    alerting._on_trouble("mail", None)
    alerting._on_trouble("mail", None)
    assert told.said == ["delivery", "delivery over"]
    alerting.outbox.close()


def test_a_channel_that_works_ends_what_the_supervisor_before_told_of_it(tmp_path: Path) -> None:
    def started() -> Alerting:
        return Alerting(holder(tmp_path), dict, TaskHeartbeats(lambda: 0.0), Bus(), ClockJumps())

    before = started()
    before._on_trouble("mail", ("535 wrong password", "535 密码错误"))
    before.outbox.close()
    after = started()
    assert after.deduplicator.is_open("delivery", "mail")
    after._on_trouble("mail", None)
    assert not after.deduplicator.is_open("delivery", "mail")
    after.outbox.close()


def test_what_is_told_once_is_not_even_counted_while_it_is_open(tmp_path: Path) -> None:
    mail = {"mail_server": "x", "mail_from": "a@example.org", "mail_to": "b@example.org"}
    bus, settings = Bus(), holder(tmp_path, alerts=mail)
    alerting = Alerting(settings, dict, TaskHeartbeats(lambda: 0.0), bus, ClockJumps())
    for mib in (6, 5):
        low = {"free_mib": mib}
        bus.publish(AlertRaised("disk_low", "It is low.", "不足。", "/x", low, is_once=True))
    (message,) = alerting.outbox.waiting("mail")
    assert (message.count, message.alert.evidence["free_mib"]) == (1, 6)
    bus.publish(AlertCleared("disk_low", "There is room.", "已恢复。", "/x"))
    assert not alerting.deduplicator.is_open("disk_low", "/x")
    alerting.outbox.close()


def test_a_full_gpu_replaces_the_largest_worker_and_not_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replaced: list[tuple[int, bool]] = []
    now = 10_000.0
    monkeypatch.setattr(replica_watch, "time", SimpleNamespace(monotonic=lambda: now))
    workers = SimpleNamespace(
        replace_one=lambda replica, cause, may_overlap: replaced.append((replica, may_overlap))
    )

    def watch(number: int, held: int) -> Any:
        one = object.__new__(replica_watch.ReplicaWatch)
        one.replica, one._workers, one._replaced_at = number, workers, -1e9  # type: ignore[assignment]
        beat = SimpleNamespace(gpu_reserved_bytes=held)
        one.life = SimpleNamespace(report=SimpleNamespace(beat=beat))  # type: ignore[assignment]
        return one

    share = replica_watch.GpuShare([watch(0, 5), watch(1, 9), watch(2, 7)], workers)  # type: ignore[arg-type]
    share.replace_largest("full")
    # Two at once would not fit where one is too much already.
    assert replaced == [(1, False)]
    now += replica_watch._REPLACE_PAUSE_SECONDS - 1
    share.replace_largest("full")
    assert len(replaced) == 1
    now += 2
    share.replace_largest("full")
    assert len(replaced) == 2


def test_a_place_that_cannot_be_asked_any_more_has_no_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figure from before would be shown as the present one for as long as nobody answers."""
    settings = holder(tmp_path)
    jobs = settings.paths.jobs
    heartbeats = TaskHeartbeats(lambda: 0.0)
    keeping = Housekeeping(settings, Bus(), lambda count: None, heartbeats, ClockJumps())
    monkeypatch.setattr(disk, "_COUNT_SECONDS", 0.0)
    limits = StorageSettings(free_warn_bytes=0, free_refuse_bytes=0)
    jobs.mkdir()
    (jobs / "one").write_bytes(b"x" * 1000)
    asyncio.run(keeping._look_at_free_space(limits))
    assert set(keeping.free_at) == {"uploads", "batches", "state"}
    assert keeping.jobs_bytes == 1000
    jobs.rename(tmp_path / "aside")
    # As a file system whose server is away: what was a directory answers nothing.
    jobs.symlink_to(jobs)
    asyncio.run(keeping._look_at_free_space(limits))
    assert set(keeping.free_at) == {"uploads", "state"}
    keeping._count_at = 0.0
    asyncio.run(keeping._count_jobs())
    assert keeping.jobs_bytes is None
    jobs.unlink()
    (tmp_path / "aside").rename(jobs)
    asyncio.run(keeping._look_at_free_space(limits))
    assert set(keeping.free_at) == {"uploads", "batches", "state"}


def test_a_file_system_that_hangs_is_told_and_keeps_no_other(tmp_path: Path) -> None:
    settings = holder(tmp_path, storage={"sweep_interval_seconds": 1})
    temp, told, heartbeats = settings.paths.temp, Told(), TaskHeartbeats(time.monotonic)
    settings.paths.jobs.mkdir()
    keeping = Housekeeping(
        settings, told.bus, lambda count: None, heartbeats, ClockJumps(), patience_seconds=0.5
    )

    async def until(is_so: Callable[[], bool]) -> None:
        for _ in range(400):
            if is_so():
                return
            await asyncio.sleep(0.05)
        raise AssertionError("never came true")

    async def test() -> None:
        with hung(temp):
            task = asyncio.create_task(keeping.run())
            await until(lambda: bool(told.open) and bool(keeping.free_at))
            assert told.open == {("storage", str(temp))}
            assert set(keeping.free_at) == {"batches", "state"}
            # It goes round and round meanwhile.
            keeping.free_at = {}
            await until(lambda: bool(keeping.free_at))
            assert told.said == ["storage"]
        await until(lambda: not told.open)
        (temp / "upload-1").write_text("sound")
        os.utime(temp / "upload-1", (time.time() - 7 * 86_400,) * 2)
        await until(lambda: not (temp / "upload-1").exists() and "uploads" in keeping.free_at)
        task.cancel()

    asyncio.run(test())
