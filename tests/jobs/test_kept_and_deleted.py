"""What of a batch is kept, for how long, and safe from what: by the clock and on the disk."""

from __future__ import annotations

import errno
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import PASSWORD, Postgres
from sqlalchemy import select

from seacod.errors import BadRequest, Conflict
from seacod.jobs import blobs
from seacod.jobs.database import recordings
from seacod.jobs.leases import FileLocks
from seacod.jobs.model import FileState
from seacod.jobs.opening import open_store
from seacod.jobs.results import write_zip
from seacod.jobs.store import JobStore
from seacod.jobs.unpacking import Bounds, unpack
from seacod.jobs.working import Claimed

HOUR = 3600.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    one = open_store(tmp_path / "jobs", "")
    one.own("1-a")
    yield one
    one.close()


def accepted(store: JobStore, job: str, files: int = 1) -> None:
    store.blobs.incoming(job).mkdir(parents=True)
    for number in range(1, files + 1):
        (store.blobs.incoming(job) / f"{number:04}").write_text("sound")
    store.accept(job, "someone", "", [(f"{n}.wav", 5) for n in range(1, files + 1)])


def claimed(store: JobStore) -> Claimed:
    one = store.claim("1-a", 0)
    assert one is not None
    return one


def finished(store: JobStore, job: str) -> None:
    accepted(store, job)
    file = claimed(store).file
    store.blobs.keep(file, {"text": "hello"})
    assert store.finish("1-a", file, FileState.DONE)


@pytest.mark.parametrize(("hours", "is_gone"), [(23.9, False), (24.1, True)])
def test_a_job_that_is_over_is_kept_for_as_long_as_said(
    store: JobStore, monkeypatch: pytest.MonkeyPatch, hours: float, *, is_gone: bool
) -> None:
    finished(store, "job")
    now = time.time() + hours * HOUR
    monkeypatch.setattr("seacod.jobs.store.time.time", lambda: now)
    assert store.delete_expired(24 * HOUR) == int(is_gone)
    assert (store.blobs.directory / "job").exists() is not is_gone


def test_an_upload_that_was_never_accepted_is_swept_after_a_day(store: JobStore) -> None:
    accepted(store, "accepted")
    for name in ("young", "old"):
        (store.blobs.incoming(name)).mkdir(parents=True)
    long_ago = time.time() - blobs.ORPHAN_SECONDS - 60
    for name in ("old", "accepted"):
        os.utime(store.blobs.directory / name, (long_ago, long_ago))
    store.delete_expired(24 * HOUR)
    left = {one.name for one in store.blobs.directory.iterdir() if one.name[0] != "."}
    assert left >= {"accepted", "young"}
    assert "old" not in left


@pytest.mark.full
def test_recordings_of_nobody_are_swept_however_many_jobs_there_are(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement of PostgreSQL has 65,535 parameters at most."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    shared = open_store(tmp_path / "jobs", postgres.fresh())
    for job in ("orphan", "7"):
        shared.blobs.incoming(job).mkdir(parents=True)
        (shared.blobs.incoming(job) / "0001").write_text("sound")
        shared.blobs.put(job, 1)
    monkeypatch.setattr(blobs, "ORPHAN_SECONDS", -60.0)
    shared.blobs.sweep({str(number) for number in range(70_000)})
    with shared.blobs._database.begin() as connection:
        left = connection.execute(select(recordings.c.job)).scalars().all()
    shared.close()
    assert left == ["7"]


def test_a_deleted_job_leaves_nothing_on_the_disk(store: JobStore) -> None:
    finished(store, "job")
    with pytest.raises(Conflict):
        store.cancel("job")
    store.delete("job")
    assert not (store.blobs.directory / "job").exists()


def test_a_canceled_job_has_no_second_try_and_no_recordings(store: JobStore) -> None:
    accepted(store, "job", 2)
    file = claimed(store).file
    assert store.finish("1-a", file, FileState.FAILED, error=("x", "x", "x"))
    store.cancel("job")
    store.blobs.incoming("job").mkdir(parents=True)
    (store.blobs.incoming("job") / "0001").write_text("still there")
    with pytest.raises(Conflict):
        store.retry("job")


def test_a_job_ends_with_its_last_file_and_not_before(store: JobStore) -> None:
    accepted(store, "job", 2)
    for is_over in (False, True):
        store.finish("1-a", claimed(store).file, FileState.FAILED, error=("x", "x", "x"))
        assert (store.get("job")[0].finished is not None) is is_over


def test_what_somebody_else_owns_is_not_finished(store: JobStore) -> None:
    accepted(store, "job")
    file = claimed(store).file
    assert not store.finish("2-b", file, FileState.DONE)
    assert store.get("job")[1][0].state is FileState.RUNNING


def test_recordings_and_results_are_on_the_disk_before_anything_says_so(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    accepted(store, "job", 2)
    assert synced == ["0001", "0002", "in"]
    store.blobs.keep(claimed(store).file, {"text": "hello"})
    assert synced[3:] == ["0001.new"]


def test_a_result_that_breaks_off_leaves_the_one_before(store: JobStore) -> None:
    accepted(store, "job")
    file = claimed(store).file
    store.blobs.keep(file, {"text": "whole"})
    with pytest.raises(TypeError):
        store.blobs.keep(file, {"text": "half", "then": object()})
    assert store.blobs.read(file) == {"text": "whole"}


def test_an_owner_lives_as_long_as_it_holds_its_lock(tmp_path: Path) -> None:
    one, other = FileLocks(tmp_path), FileLocks(tmp_path)
    one.own("1-a")
    for asked in (one, other):
        assert asked.living(["1-a", "2-gone"], []) == {"1-a"}
    # As the kernel does it when the process ends: the file stays.
    os.close(one._locks.pop("1-a"))
    assert (tmp_path / "1-a").exists()
    assert other.living(["1-a"], []) == set()
    assert not (tmp_path / "1-a").exists()


def test_a_spreadsheet_reads_the_summary_as_what_it_is(store: JobStore, tmp_path: Path) -> None:
    accepted(store, "job")
    path = tmp_path / "results.zip"
    with path.open("wb") as target:
        write_zip(target, store, store.get("job")[1])
    with zipfile.ZipFile(path) as archive:
        assert archive.read("summary.csv").startswith(b"\xef\xbb\xbf")


def test_our_full_disk_is_no_fault_of_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "upload"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.wav", b"sound")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("seacod.jobs.unpacking._Unpacking._copy", full)
    with pytest.raises(OSError, match="No space left"):
        unpack(tmp_path, [("a.zip", path)], Bounds(10, 1000, 3000, 0))


def test_a_locked_archive_is_said_to_be_locked(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.wav", b"sound")
    body = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        body[body.index(mark) + offset] |= 1
    path.write_bytes(body)
    with pytest.raises(BadRequest, match="encrypted") as refused:
        unpack(tmp_path, [("a.zip", path)], Bounds(10, 1000, 3000, 0))
    assert "已加密" in refused.value.chinese
