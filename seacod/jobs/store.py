"""Jobs on the disk: SQLite (WAL) for what is known, a directory per job for recordings and results.

    jobs/jobs.db  jobs/ID/in/0001  jobs/ID/out/0001.json  jobs/.owners/OWNER

Every call is one transaction and blocks: call from one thread, never from an event loop. Several
workers may share it (one drains, the next serves): a file belongs to the *owner* that claimed it,
and an owner lives as long as it holds a lock on its file in `.owners`, which the kernel takes away
however the process ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from seacod.errors import Conflict, NotFound
from seacod.jobs.model import (
    CRASHES_ARE_POISON,
    INTERRUPTIONS_ARE_POISON,
    TRANSITIONS,
    FileState,
    Job,
    JobFile,
)

log = structlog.get_logger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
  id TEXT PRIMARY KEY, client TEXT NOT NULL, hotwords TEXT NOT NULL, created REAL NOT NULL,
  finished REAL, is_canceled INTEGER NOT NULL DEFAULT 0, claimed REAL NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS files (
  job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, number INTEGER NOT NULL,
  name TEXT NOT NULL, size_bytes INTEGER NOT NULL, state TEXT NOT NULL,
  crashes INTEGER NOT NULL DEFAULT 0, interruptions INTEGER NOT NULL DEFAULT 0,
  owner TEXT, started REAL, finished REAL, audio_seconds REAL,
  error_code TEXT, error TEXT, error_zh TEXT, PRIMARY KEY (job, number));
CREATE INDEX IF NOT EXISTS files_by_state ON files(state);
"""
_FILE = (
    "job, number, name, size_bytes, state, crashes, interruptions, started, finished, "
    "audio_seconds, error_code, error, error_zh"
)
_JOB = "id, client, hotwords, created, finished, is_canceled"
# An upload that was never accepted (the worker died on the way) is an orphan after so long.
_ORPHAN_SECONDS = 86_400.0
_LOCK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Claimed:
    """A file to work on."""

    file: JobFile
    job: Job


class JobStore:
    """All jobs of a service.

    Args:
        directory: made if it is missing.
        clock: Unix seconds.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o750)
        self._owners = directory / ".owners"
        self._owners.mkdir(exist_ok=True)
        self._database = sqlite3.connect(
            directory / "jobs.db",
            timeout=_LOCK_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        # FULL: an accepted job is on the disk when its client hears so, power cut or not.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.executescript(_SCHEMA)
        self._locks: dict[str, int] = {}

    @classmethod
    def open(cls, directory: Path) -> JobStore:
        """The store; one whose database is damaged is set aside and begun anew.

        Raises:
            OSError, sqlite3.Error: the directory cannot be written to.
        """
        try:
            return cls(directory)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            aside = f"jobs.db.damaged-{int(time.time())}"
            log.error("jobs_set_aside", error=str(error), kept_as=aside)
            os.replace(directory / "jobs.db", directory / aside)
            for suffix in ("-wal", "-shm"):
                (directory / f"jobs.db{suffix}").unlink(missing_ok=True)
            return cls(directory)

    def close(self) -> None:
        self._database.close()
        for owner in tuple(self._locks):
            self.release(owner)

    # -- where things lie ---------------------------------------------------------------------

    def incoming(self, job: str) -> Path:
        """Where the recordings of a job lie."""
        return self.directory / job / "in"

    def recording(self, file: JobFile) -> Path:
        return self.incoming(file.job) / f"{file.number:04}"

    def result(self, file: JobFile) -> Path:
        return self.directory / file.job / "out" / f"{file.number:04}.json"

    # -- owners -------------------------------------------------------------------------------

    def own(self, owner: str) -> None:
        """Be an owner from now on, until `release` or the end of the process."""
        lock = os.open(self._owners / owner, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        self._locks[owner] = lock

    def release(self, owner: str) -> None:
        os.close(self._locks.pop(owner))
        (self._owners / owner).unlink(missing_ok=True)

    def _is_alive(self, owner: str) -> bool:
        if owner in self._locks:
            return True
        try:
            lock = os.open(self._owners / owner, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            (self._owners / owner).unlink(missing_ok=True)
            return False
        finally:
            os.close(lock)

    # -- accepting ----------------------------------------------------------------------------

    def accept(
        self, job: str, client: str, hotwords: str, files: Sequence[tuple[str, int]]
    ) -> None:
        """The recordings lie in `incoming(job)`, numbered from 1: take them on.

        Args:
            files: name and size of each.
        """
        for number in range(1, len(files) + 1):
            _to_disk(self.incoming(job) / f"{number:04}")
        _to_disk(self.incoming(job))
        with self._transaction() as database:
            database.execute(
                "INSERT INTO jobs (id, client, hotwords, created) VALUES (?, ?, ?, ?)",
                (job, client, hotwords, time.time()),
            )
            database.executemany(
                "INSERT INTO files (job, number, name, size_bytes, state) VALUES (?, ?, ?, ?, ?)",
                [
                    (job, number, name, size, FileState.WAITING.value)
                    for number, (name, size) in enumerate(files, 1)
                ],
            )

    # -- working ------------------------------------------------------------------------------

    def claim(self, owner: str, running: int) -> Claimed | None:
        """The next file to work on, now this owner's.

        One that was there when the worker crashed runs alone, so that the next crash says whose
        fault it was; jobs take turns.

        Args:
            running: how many files the owner is at.
        """
        with self._transaction() as database:
            suspects = "SELECT 1 FROM files WHERE crashes > 0 AND state "
            if database.execute(suspects + "= 'running'").fetchone():
                return None
            has_suspect = database.execute(suspects + "= 'waiting'").fetchone() is not None
            if has_suspect and running:
                return None
            row = database.execute(
                f"SELECT {', '.join('f.' + c for c in _FILE.split(', '))} FROM files f "
                "JOIN jobs j ON j.id = f.job WHERE f.state = 'waiting' AND f.crashes >= ? "
                "ORDER BY j.claimed, f.number LIMIT 1",
                (1 if has_suspect else 0,),
            ).fetchone()
            if row is None:
                return None
            file = _file(row)
            now = time.time()
            self._move(database, file, FileState.RUNNING, owner=owner, started=now)
            database.execute("UPDATE jobs SET claimed = ? WHERE id = ?", (now, file.job))
            return Claimed(file, self._job(database, file.job))

    def finish(
        self,
        owner: str,
        file: JobFile,
        state: FileState,
        *,
        audio_seconds: float | None = None,
        error: tuple[str, str, str] | None = None,
    ) -> bool:
        """A file is over; its result, if any, lies where `result` says.

        Returns:
            False when it was this owner's no more (canceled meanwhile).
        """
        code, english, chinese = error or (None, None, None)
        with self._transaction() as database:
            row = database.execute(
                f"SELECT {_FILE}, owner FROM files WHERE job = ? AND number = ?",
                (file.job, file.number),
            ).fetchone()
            if row is None or row[-1] != owner or row[4] != FileState.RUNNING.value:
                return False
            self._move(
                database, _file(row[:-1]), state, finished=time.time(), owner=None,
                audio_seconds=audio_seconds, error_code=code, error=english, error_zh=chinese,
            )  # fmt: skip
            self._finish_job(database, file.job)
        if state is FileState.DONE:
            # Others are kept as long as their job, for another try.
            self.recording(file).unlink(missing_ok=True)
        return True

    def put_back(self, owner: str, file: JobFile) -> None:
        """It was not finished, and that is nobody's fault."""
        with self._transaction() as database:
            database.execute(
                "UPDATE files SET state = 'waiting', owner = NULL "
                "WHERE job = ? AND number = ? AND owner = ? AND state = 'running'",
                (file.job, file.number, owner),
            )

    def recover(self, blamed_pids: Sequence[int] = ()) -> int:
        """Take back what belongs to owners that live no more.

        Args:
            blamed_pids: processes that crashed by themselves, as the supervisor saw it; an owner's
                name begins with its pid.

        Returns:
            How many files were taken back.
        """
        blamed = {str(pid) for pid in blamed_pids}
        found = 0
        with self._transaction() as database:
            owners = database.execute(
                "SELECT DISTINCT owner FROM files WHERE state = 'running'"
            ).fetchall()
            for (owner,) in owners:
                if owner is not None and self._is_alive(owner):
                    continue
                is_blamed = str(owner).partition("-")[0] in blamed
                for row in database.execute(
                    f"SELECT {_FILE} FROM files WHERE state = 'running' AND owner IS ?", (owner,)
                ).fetchall():
                    self._take_back(database, _file(row), is_blamed=is_blamed)
                    found += 1
        return found

    def _take_back(self, database: sqlite3.Connection, file: JobFile, *, is_blamed: bool) -> None:
        crashes = file.crashes + is_blamed
        interruptions = file.interruptions + (not is_blamed)
        counts = {"crashes": crashes, "interruptions": interruptions, "owner": None}
        if crashes < CRASHES_ARE_POISON and interruptions < INTERRUPTIONS_ARE_POISON:
            self._move(database, file, FileState.WAITING, **counts)
            log.warning(
                "file_taken_back", job=file.job, number=file.number, name=file.name,
                cause="the worker crashed" if is_blamed else "the worker was interrupted",
                crashes=crashes, interruptions=interruptions,
            )  # fmt: skip
            return
        times = crashes if crashes >= CRASHES_ARE_POISON else interruptions
        self._move(
            database, file, FileState.POISON, finished=time.time(), error_code="poison",
            error=f"this recording was being worked on when the worker ended {times} times; it is "
            "set aside, the rest goes on",
            error_zh=f"处理该录音时工作进程 {times} 次异常退出，已将其搁置，其余文件继续处理",
            **counts,
        )  # fmt: skip
        log.error("file_is_poison", job=file.job, number=file.number, name=file.name)
        self._finish_job(database, file.job)

    # -- looking and ending -------------------------------------------------------------------

    def get(self, job: str) -> tuple[Job, list[JobFile]]:
        """A job with its files.

        Raises:
            NotFound: there is none with this id.
        """
        with self._transaction() as database:
            found = self._job(database, job)
            rows = database.execute(
                f"SELECT {_FILE} FROM files WHERE job = ? ORDER BY number", (job,)
            ).fetchall()
        return found, [_file(row) for row in rows]

    def cancel(self, job: str) -> list[JobFile]:
        """What has not finished is not begun any more.

        Returns:
            The files that were running.

        Raises:
            NotFound: there is no such job.
            Conflict: it is over.
        """
        with self._transaction() as database:
            found = self._job(database, job)
            if found.finished is not None:
                raise Conflict(
                    f"job {job} is over already; its results are kept", f"任务 {job} 已结束"
                )
            running = []
            for row in database.execute(
                f"SELECT {_FILE} FROM files WHERE job = ? AND state IN ('waiting', 'running')",
                (job,),
            ).fetchall():
                file = _file(row)
                if file.state is FileState.RUNNING:
                    running.append(file)
                self._move(database, file, FileState.CANCELED, owner=None, finished=time.time())
            database.execute(
                "UPDATE jobs SET is_canceled = 1, finished = ? WHERE id = ?", (time.time(), job)
            )
        shutil.rmtree(self.incoming(job), ignore_errors=True)
        return running

    def retry(self, job: str) -> int:
        """Another try for what has failed. What had ended the worker runs alone, and is set aside
        at once when it does so again.

        Returns:
            How many files.

        Raises:
            NotFound: there is no such job.
            Conflict: nothing of it has failed, or it was canceled.
        """
        with self._transaction() as database:
            found = self._job(database, job)
            rows = database.execute(
                f"SELECT {_FILE} FROM files WHERE job = ? AND state IN ('failed', 'poison')",
                (job,),
            ).fetchall()
            files = [file for file in map(_file, rows) if self.recording(file).exists()]
            if found.is_canceled or not files:
                raise Conflict(
                    f"nothing of job {job} can be tried again: nothing has failed, or it was "
                    "canceled",
                    f"任务 {job} 没有可重试的文件",
                )
            for file in files:
                crashes = CRASHES_ARE_POISON - 1 if file.crashes else 0
                self._move(
                    database, file, FileState.WAITING, crashes=crashes, interruptions=0,
                    finished=None, error_code=None, error=None, error_zh=None,
                )  # fmt: skip
            database.execute("UPDATE jobs SET finished = NULL WHERE id = ?", (job,))
        return len(files)

    def delete_expired(self, keep_seconds: float) -> int:
        """Forget jobs that ended so long ago, and uploads that were never accepted."""
        with self._transaction() as database:
            before = time.time() - keep_seconds
            rows = database.execute("SELECT id FROM jobs WHERE finished < ?", (before,)).fetchall()
            database.execute("DELETE FROM jobs WHERE finished < ?", (before,))
            known = {row[0] for row in database.execute("SELECT id FROM jobs")}
        expired = [row[0] for row in rows]
        for job in expired:
            shutil.rmtree(self.directory / job, ignore_errors=True)
        for directory in self.directory.iterdir():
            if directory.is_dir() and directory.name != ".owners" and directory.name not in known:
                with contextlib.suppress(OSError):
                    if time.time() - directory.stat().st_mtime > _ORPHAN_SECONDS:
                        shutil.rmtree(directory, ignore_errors=True)
        return len(expired)

    # -- inside a transaction -----------------------------------------------------------------

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def _move(
        self, database: sqlite3.Connection, file: JobFile, state: FileState, **more: Any
    ) -> None:
        """The only place where a file changes its state."""
        if state not in TRANSITIONS[file.state]:
            raise AssertionError(f"{file.job}/{file.number}: {file.state} to {state}")
        assignments = ", ".join(f"{column} = ?" for column in more)
        database.execute(
            f"UPDATE files SET state = ?{', ' if more else ''}{assignments} "
            "WHERE job = ? AND number = ?",
            (state.value, *more.values(), file.job, file.number),
        )

    def _finish_job(self, database: sqlite3.Connection, job: str) -> None:
        open_files = database.execute(
            "SELECT 1 FROM files WHERE job = ? AND state IN ('waiting', 'running')", (job,)
        ).fetchone()
        if open_files is None:
            database.execute("UPDATE jobs SET finished = ? WHERE id = ?", (time.time(), job))
            log.info("job_finished", job=job)

    def _job(self, database: sqlite3.Connection, job: str) -> Job:
        row = database.execute(f"SELECT {_JOB} FROM jobs WHERE id = ?", (job,)).fetchone()
        if row is None:
            raise NotFound(
                f"there is no job {job[:40]!r}; it may have expired",
                f"没有任务 {job[:40]}，可能已过期",
            )
        return Job(row[0], row[1], row[2], row[3], row[4], bool(row[5]))


def _file(row: Sequence[Any]) -> JobFile:
    values = dict(zip(_FILE.split(", "), row, strict=True))
    return JobFile(**{**values, "state": FileState(values["state"])})


def _to_disk(path: Path) -> None:
    """So that it is there after a power cut, too."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
