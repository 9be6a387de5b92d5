"""What an older version has stored is taken up, what a newer one has is named and left alone, and a
database that is removed under the service is written anew."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest
from in_use import in_use
from supervised import PATIENCE_SECONDS
from work_and_die import StandIn

from seacod.alerts.alert import Alert, Occurrence, Told
from seacod.alerts.outbox import Outbox
from seacod.errors import NotFound, NotReady, StoredByNewer
from seacod.jobs.database import FORMAT
from seacod.jobs.gate import JobsGate
from seacod.jobs.model import FileState
from seacod.jobs.opening import open_store
from seacod.jobs.runner import Jobs
from seacod.jobs.schema import file_problem
from seacod.system.files.sqlite_format import version_of
from seacod.usage.ledger import UsageLedger, Use

# Made by 0.1.0's code.
BEFORE = Path(__file__).parents[1] / "cases" / "state-0.1.0"
TOLD = list[tuple[str, str, str, bool]]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    shutil.copytree(BEFORE, tmp_path / "state")
    return tmp_path / "state"


def accepted(directory: Path, job: str, files: int) -> None:
    store = open_store(directory)
    store.blobs.incoming(job).mkdir(parents=True)
    for number in range(1, files + 1):
        (store.blobs.incoming(job) / f"{number:04}").write_text(f"sound {number}")
    store.accept(job, "key:front", "", [(f"{n}.wav", 7) for n in range(1, files + 1)])
    store.close()


def working(directory: Path, told: TOLD) -> Jobs:
    return Jobs(
        lambda: open_store(directory),
        StandIn(),  # type: ignore[arg-type]
        in_use(),
        lambda *one: told.append(one),
    )


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await condition():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.02)


def made_newer(file: Path, version: int = FORMAT + 1) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute(f"PRAGMA user_version = {version}")
        database.commit()


# -- older ----------------------------------------------------------------------------------------


def test_the_batches_of_0_1_0_are_there_and_are_finished(state: Path) -> None:
    assert version_of(state / "jobs/jobs.db") == 0

    async def work() -> list[FileState]:
        jobs = working(state / "jobs", [])
        await jobs.start([10])
        await until(lambda: is_over(jobs, "open-0001"))
        _, files, _ = await jobs.get("open-0001")
        done, (file,), _ = await jobs.get("done-0001")
        assert (file.name, file.state, done.client) == ("会议.wav", FileState.DONE, "key:front")
        assert jobs.store.blobs.read(file)["text"] == "你好。"
        await jobs.finish(1.0)
        await jobs.close()
        return [one.state for one in files]

    assert asyncio.run(work()) == [FileState.FAILED, FileState.DONE, FileState.DONE]
    assert version_of(state / "jobs/jobs.db") == FORMAT


async def is_over(jobs: Jobs, job: str) -> bool:
    if not jobs.is_open:
        return False
    return (await jobs.get(job))[0].finished is not None


def test_0_1_0_goes_on_with_what_this_version_has_written(state: Path) -> None:
    """After a rollback: it names the columns that it knows, and reads those alone."""
    open_store(state / "jobs").close()
    with closing(sqlite3.connect(state / "jobs/jobs.db")) as database:
        database.execute(
            "INSERT INTO jobs (id, client, hotwords, created, is_canceled, claimed) "
            "VALUES ('back', 'user:li', '', 1.0, 0, 0)"
        )
        database.execute(
            "INSERT INTO files (job, number, name, size_bytes, state, crashes, interruptions) "
            "VALUES ('back', 1, 'a.wav', 5, 'waiting', 0, 0)"
        )
        database.commit()
    store = open_store(state / "jobs")
    assert [file.name for file in store.get("back")[1]] == ["a.wav"]
    store.close()


def test_the_alerts_of_0_1_0_are_still_told(state: Path) -> None:
    file = state / "alerts.sqlite3"
    assert version_of(file) == 1
    outbox = Outbox(file)
    (waiting,) = outbox.waiting("mail")
    assert waiting.alert.text == {"en": "It is full.", "zh": "已满。"}
    assert outbox.open_alerts() == [("gpu_memory", "GPU 0", 1764000000.0)]
    outbox.reached([waiting], ["a@example.org"])
    outbox.remember_last("gpu_memory", "GPU 0", Occurrence(1.0, {"en": "x", "zh": "y"}, {}))
    outbox.close()
    with closing(sqlite3.connect(file)) as database:
        # As 0.1.0 writes it, after a rollback.
        database.execute("INSERT OR REPLACE INTO alert VALUES ('leak', '', 1, 1.0, 1.0, 0)")
        database.commit()
    again = Outbox(file)
    assert again.told("leak", "") == Told(True, 1.0, 1.0, 0)
    again.close()


def test_the_figures_of_0_1_0_are_added_to(state: Path) -> None:
    ledger = UsageLedger(state / "usage.sqlite3")
    ledger.add("2026-11-26", [Use("key:front", 1, 0, 7.5)])
    assert ledger.by_client("2026-11-26") == [Use("key:front", 4, 1, 50.0)]


# -- newer ----------------------------------------------------------------------------------------


def test_a_newer_database_is_named_left_alone_and_taken_up_when_it_can_be(tmp_path: Path) -> None:
    accepted(tmp_path / "jobs", "job", 2)
    file = tmp_path / "jobs/jobs.db"
    made_newer(file)
    before = file.read_bytes()
    problem = file_problem(file)
    assert problem is not None
    assert f"format {FORMAT + 1}, this one knows {FORMAT}" in problem.message
    told: TOLD = []

    async def live() -> None:
        jobs = working(tmp_path / "jobs", told)
        gate = JobsGate(in_use(), jobs)
        await jobs.start([])
        with pytest.raises(StoredByNewer, match="made by a newer version") as caught:
            gate.open()
        assert caught.value.http_status == 503
        assert file.read_bytes() == before
        made_newer(file, FORMAT)
        await until(lambda: is_over(jobs, "job"))
        assert gate.open() is jobs
        await jobs.finish(1.0)
        await jobs.close()

    asyncio.run(live())
    assert [(kind, is_end) for kind, _, _, is_end in told] == [("jobs", False), ("jobs", True)]
    assert "newer version" in told[0][1]
    assert "更新版本" in told[0][2]


def test_a_file_that_is_no_database_or_not_there_has_no_version(tmp_path: Path) -> None:
    assert file_problem(tmp_path / "none") is None
    (tmp_path / "text").write_text("not a database, though it is long enough to be one" * 10)
    with pytest.raises(sqlite3.DatabaseError):
        file_problem(tmp_path / "text")


# -- removed --------------------------------------------------------------------------------------


def test_a_database_that_is_removed_is_written_anew_and_nothing_is_lost(tmp_path: Path) -> None:
    directory = tmp_path / "jobs"
    accepted(directory, "first", 2)
    told: TOLD = []

    async def live() -> None:
        jobs = working(directory, told)
        await jobs.start([])
        await until(lambda: is_over(jobs, "first"))
        for file in directory.glob("jobs.db*"):
            file.unlink()
        await until(lambda: is_written(jobs))
        found, files, _ = await jobs.get("first")
        assert found.finished is not None
        assert [file.state for file in files] == [FileState.DONE, FileState.DONE]
        await accept(jobs, "second")
        await until(lambda: is_over(jobs, "second"))
        await jobs.finish(1.0)
        await jobs.close()

    async def is_written(jobs: Jobs) -> bool:
        return jobs.is_open and (directory / "jobs.db").exists()

    asyncio.run(live())
    assert any(kind == "jobs_lost" and "written anew" in text for kind, text, *_ in told)
    assert version_of(directory / "jobs.db") == FORMAT


async def accept(jobs: Jobs, job: str) -> None:
    incoming = jobs.store.blobs.incoming(job)
    incoming.mkdir(parents=True)
    (incoming / "0001").write_text("sound")
    await jobs.accept(job, "key:front", "", [("a.wav", 5)])


def test_a_backup_that_is_put_in_place_meanwhile_is_used_as_it_is(tmp_path: Path) -> None:
    """SQLite played the log of the one before into it: the old batches were there, or a mixture."""
    directory, told = tmp_path / "jobs", list[tuple[str, str, str, bool]]()
    accepted(tmp_path / "backup", "of-the-backup", 1)

    async def live() -> list[str]:
        jobs = working(directory, told)
        await jobs.start([])
        for number in range(3):
            jobs.store.blobs.incoming(f"old-{number}").mkdir(parents=True)
            (jobs.store.blobs.incoming(f"old-{number}") / "0001").write_text("sound")
            await jobs.accept(f"old-{number}", "key:front", "", [("1.wav", 5)])
        assert (directory / "jobs.db-wal").stat().st_size
        os.replace(tmp_path / "backup" / "jobs.db", directory / "jobs.db")
        await until(lambda: knows(jobs, "of-the-backup"))
        known = [name for name in ("old-0", "old-1", "old-2") if await knows(jobs, name)]
        await jobs.finish(1.0)
        await jobs.close()
        return known

    assert asyncio.run(live()) == []
    with closing(sqlite3.connect(directory / "jobs.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert [text for kind, text, *_ in told if kind == "jobs_lost" and "put another file" in text]


async def knows(jobs: Jobs, job: str) -> bool:
    try:
        return bool(await jobs.get(job))
    except (NotReady, NotFound):
        return False


def test_recordings_that_are_removed_are_named_in_their_batch(tmp_path: Path) -> None:
    directory = tmp_path / "jobs"
    accepted(directory, "job", 2)
    (directory / "job/in/0002").unlink()

    async def live() -> list[tuple[FileState, str | None]]:
        jobs = working(directory, [])
        await jobs.start([])
        await until(lambda: is_over(jobs, "job"))
        _, files, _ = await jobs.get("job")
        await jobs.finish(1.0)
        await jobs.close()
        return [(file.state, file.error_code) for file in files]

    done, lost = asyncio.run(live())
    assert done == (FileState.DONE, None)
    assert lost == (FileState.FAILED, "recording_lost")


def test_a_database_that_was_removed_while_nothing_ran_names_what_was_accepted(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "jobs"
    accepted(directory, "one", 1)
    accepted(directory, "two", 1)
    (directory / "jobs.db").unlink()
    told: TOLD = []

    async def live() -> None:
        jobs = working(directory, told)
        await jobs.start([])
        await jobs.finish(1.0)
        await jobs.close()

    asyncio.run(live())
    (words,) = [text for kind, text, *_ in told if kind == "jobs_lost"]
    assert "with it 2 of the batches: one, two" in words


def test_a_database_that_cannot_be_opened_says_so_and_asks_to_come_back(tmp_path: Path) -> None:
    gate = JobsGate(in_use(), working(tmp_path / "jobs", []))
    with pytest.raises(NotReady):
        gate.open()


def test_an_outbox_that_is_removed_is_written_anew(tmp_path: Path) -> None:
    file = tmp_path / "alerts.sqlite3"
    outbox = Outbox(file)
    alert = Alert("leak", "", {"en": "It grows.", "zh": "增长。"}, 1.0)
    outbox.add(alert, Told(True, 1.0, 1.0, 0), ["mail"], 1.0)
    assert not outbox.rescue()
    for one in tmp_path.glob("alerts.sqlite3*"):
        one.unlink()
    assert outbox.rescue()
    assert not outbox.rescue()
    outbox.add(alert, Told(True, 2.0, 2.0, 0), ["mail"], 2.0)
    outbox.close()
    again = Outbox(file)
    assert len(again.waiting("mail")) == 2
    again.close()
