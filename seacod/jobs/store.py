"""What is known of jobs and their files, and every change of it: one transaction each.

Every call blocks: call from one thread, never from an event loop. Several workers may share the
store, of one machine or of several: a file belongs to the *owner* that claimed it, and what an
owner finishes counts only while it still does. Where things lie is `database.py` and `blobs.py`,
who is alive `leases.py`; `open_store` puts them together.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, and_, func, select, update
from sqlalchemy.exc import DatabaseError, OperationalError

from seacod.errors import Conflict, NotFound
from seacod.jobs import database as tables
from seacod.jobs.blobs import DatabaseBlobs, DirectoryBlobs
from seacod.jobs.database import Database, files, jobs
from seacod.jobs.leases import FileLocks, Leases, Ownership
from seacod.jobs.model import (
    CRASHES_ARE_POISON,
    INTERRUPTIONS_ARE_POISON,
    TRANSITIONS,
    FileState,
    Job,
    JobFile,
)

log = structlog.get_logger(__name__)

_FILE = tuple(files.c[name] for name in JobFile.__dataclass_fields__)
_OPEN = (FileState.WAITING.value, FileState.RUNNING.value)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A file to work on."""

    file: JobFile
    job: Job


class JobStore:
    """All jobs of a service, or of several.

    Args:
        database: where they are written down.
        blobs: where recordings and results lie.
        ownership: who works on them.
        node: this machine, where there are several; the beginning of its owners' names.
    """

    def __init__(
        self, database: Database, blobs: DirectoryBlobs, ownership: Ownership, node: str = ""
    ) -> None:
        self.blobs = blobs
        self._database = database
        self._ownership = ownership
        self._node = node
        # When an owner was first seen to be gone, on the monotonic clock.
        self._gone: dict[str, float] = {}

    def close(self) -> None:
        self._ownership.close()
        self._database.close()

    # -- owners -------------------------------------------------------------------------------

    def own(self, owner: str) -> None:
        """Be an owner from now on, until `release` or the end of the process.

        Args:
            owner: begins with our pid and a hyphen.
        """
        self._ownership.own(self._node + owner)

    def release(self, owner: str) -> None:
        self._ownership.release(self._node + owner)

    def renew(self) -> None:
        """Say that the owners of this process are still here; every few seconds."""
        self._ownership.renew()

    # -- accepting ----------------------------------------------------------------------------

    def incoming(self, job: str) -> Path:
        """Where the recordings of a job are put before it is accepted."""
        return self.blobs.incoming(job)

    def accept(
        self, job: str, client: str, hotwords: str, named: Sequence[tuple[str, int]]
    ) -> None:
        """The recordings lie in `incoming(job)`, numbered from 1: take them on.

        Args:
            named: name and size of each.
        """
        self.blobs.put(job, len(named))
        with self._database.transaction() as connection:
            connection.execute(
                jobs.insert(),
                {"id": job, "client": client, "hotwords": hotwords, "created": time.time()},
            )
            connection.execute(
                files.insert(),
                [
                    {"job": job, "number": number, "name": name, "size_bytes": size,
                     "state": FileState.WAITING.value}
                    for number, (name, size) in enumerate(named, 1)
                ],
            )  # fmt: skip

    # -- working ------------------------------------------------------------------------------

    def claim(self, owner: str, running: int) -> Claimed | None:
        """The next file to work on, now this owner's.

        One that was there when a worker crashed runs alone in its worker, so that the next crash
        says whose fault it was; jobs take turns.

        Args:
            running: how many files the owner is at.
        """
        owner = self._node + owner
        with self._database.transaction() as connection:
            suspects = select(files.c.job).where(files.c.crashes > 0)
            mine = suspects.where(files.c.state == "running", files.c.owner == owner)
            if connection.execute(mine.limit(1)).first():
                return None
            waiting = suspects.where(files.c.state == "waiting")
            has_suspect = connection.execute(waiting.limit(1)).first() is not None
            if has_suspect and running:
                return None
            row = connection.execute(
                select(*_FILE)
                .join(jobs, jobs.c.id == files.c.job)
                .where(files.c.state == "waiting", files.c.crashes >= int(has_suspect))
                .order_by(jobs.c.claimed, files.c.number)
                .limit(1)
                # PostgreSQL: others claim at the same moment, and take the next one.
                .with_for_update(of=files, skip_locked=True)
            ).first()
            if row is None:
                return None
            file = _file(row)
            now = time.time()
            _move(connection, file, FileState.RUNNING, owner=owner, started=now)
            job = _job(connection, file.job)
        # On its own: with the file's lock in hand, waiting for the job's could be a deadlock.
        with self._database.transaction() as connection:
            connection.execute(update(jobs).where(jobs.c.id == file.job).values(claimed=now))
        return Claimed(file, job)

    def fetch(self, file: JobFile) -> Path:
        """The recording, on this machine."""
        return self.blobs.fetch(file)

    def keep(self, file: JobFile, body: dict[str, Any]) -> None:
        """A result, before `finish`."""
        self.blobs.keep(file, body)

    def read(self, file: JobFile) -> dict[str, Any]:
        """The result of a file that is done."""
        return self.blobs.read(file)

    def finish(
        self,
        owner: str,
        file: JobFile,
        state: FileState,
        *,
        audio_seconds: float | None = None,
        error: tuple[str, str, str] | None = None,
    ) -> bool:
        """A file is over; its result, if any, was kept.

        Returns:
            False when it was this owner's no more (canceled, or taken from it).
        """
        code, english, chinese = error or (None, None, None)
        with self._database.transaction() as connection:
            _lock(connection, file.job)
            present = self._owned(connection, self._node + owner, file)
            if present is not None:
                _move(
                    connection, present, state, finished=time.time(), owner=None,
                    audio_seconds=audio_seconds, error_code=code, error=english,
                    error_zh=chinese,
                )  # fmt: skip
                _finish_job(connection, file.job)
        if present is not None and state is FileState.DONE:
            # Others are kept as long as their job, for another try.
            self.blobs.drop(file)
        else:
            self.blobs.let_go(file)
        return present is not None

    def put_back(self, owner: str, file: JobFile) -> None:
        """It was not finished, and that is nobody's fault."""
        with self._database.transaction() as connection:
            _lock(connection, file.job)
            present = self._owned(connection, self._node + owner, file)
            if present is not None:
                _move(connection, present, FileState.WAITING, owner=None)
        if present is not None:
            self.blobs.let_go(file)

    def recover(self, blamed_pids: Sequence[int] = (), *, grace_seconds: float = 0.0) -> int:
        """Take back what belongs to owners that live no more.

        Args:
            blamed_pids: processes of this machine that crashed by themselves, as the supervisor saw
                it; an owner's name begins with its pid.
            grace_seconds: an owner that is gone for less, and not blamed, is left alone: word of
                how it ended may be on its way.

        Returns:
            How many files were taken back.
        """
        blamed = {f"{self._node}{pid}" for pid in blamed_pids}
        running = files.c.state == "running"
        with self._database.transaction() as connection:
            found = connection.execute(select(files.c.owner).where(running).distinct()).scalars()
            present = [str(owner) for owner in found]
        crashed = {owner for owner in present if owner.rpartition("-")[0] in blamed}
        count = 0
        for owner in sorted(set(present) - self._ownership.living(present, crashed)):
            is_blamed = owner in crashed
            now = time.monotonic()
            if not is_blamed and now - self._gone.setdefault(owner, now) < grace_seconds:
                continue
            self._gone.pop(owner, None)
            theirs = select(*_FILE).where(running, files.c.owner == owner)
            with self._database.transaction() as connection:
                rows = connection.execute(theirs).all()
            for file in map(_file, rows):
                count += self._take_back(owner, file, is_blamed=is_blamed)
        return count

    def _take_back(self, owner: str, file: JobFile, *, is_blamed: bool) -> bool:
        with self._database.transaction() as connection:
            _lock(connection, file.job)
            present = self._owned(connection, owner, file)
            if present is None:
                return False  # another one was quicker
            crashes = file.crashes + is_blamed
            interruptions = file.interruptions + (not is_blamed)
            counts = {"crashes": crashes, "interruptions": interruptions, "owner": None}
            if crashes < CRASHES_ARE_POISON and interruptions < INTERRUPTIONS_ARE_POISON:
                _move(connection, file, FileState.WAITING, **counts)
                log.warning(
                    "file_taken_back", job=file.job, number=file.number, name=file.name,
                    cause="the worker crashed" if is_blamed else "the worker was interrupted",
                    crashes=crashes, interruptions=interruptions, owner=owner,
                )  # fmt: skip
                return True
            times = crashes if crashes >= CRASHES_ARE_POISON else interruptions
            _move(
                connection, file, FileState.POISON, finished=time.time(), error_code="poison",
                error=f"this recording was being worked on when the worker ended {times} times; it "
                "is set aside, the rest goes on",
                error_zh=f"处理该录音时工作进程 {times} 次异常退出，已将其搁置，其余文件继续处理",
                **counts,
            )  # fmt: skip
            log.error("file_is_poison", job=file.job, number=file.number, name=file.name)
            _finish_job(connection, file.job)
        return True

    # -- looking and ending -------------------------------------------------------------------

    def get(self, job: str) -> tuple[Job, list[JobFile]]:
        """A job with its files.

        Raises:
            NotFound: there is none with this id.
        """
        with self._database.transaction() as connection:
            found = _job(connection, job)
            rows = connection.execute(
                select(*_FILE).where(files.c.job == job).order_by(files.c.number)
            ).all()
        return found, [_file(row) for row in rows]

    def cancel(self, job: str) -> list[JobFile]:
        """What has not finished is not begun any more.

        Returns:
            The files that were running.

        Raises:
            NotFound: there is no such job.
            Conflict: it is over.
        """
        with self._database.transaction() as connection:
            _lock(connection, job)
            found = _job(connection, job)
            if found.finished is not None:
                raise Conflict(
                    f"job {job} is over already; its results are kept", f"任务 {job} 已结束"
                )
            running = []
            wanted = and_(files.c.job == job, files.c.state.in_(_OPEN))
            # One that is claimed at this moment is waited for.
            for row in connection.execute(select(*_FILE).where(wanted).with_for_update()).all():
                file = _file(row)
                if file.state is FileState.RUNNING:
                    running.append(file)
                _move(connection, file, FileState.CANCELED, owner=None, finished=time.time())
            connection.execute(
                update(jobs).where(jobs.c.id == job).values(is_canceled=True, finished=time.time())
            )
        self.blobs.drop_all(job)
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
        with self._database.transaction() as connection:
            _lock(connection, job)
            found = _job(connection, job)
            wanted = and_(files.c.job == job, files.c.state.in_(("failed", "poison")))
            rows = connection.execute(select(*_FILE).where(wanted)).all()
            again = [file for file in map(_file, rows) if self.blobs.has(file)]
            if found.is_canceled or not again:
                raise Conflict(
                    f"nothing of job {job} can be tried again: nothing has failed, or it was "
                    "canceled",
                    f"任务 {job} 没有可重试的文件",
                )
            for file in again:
                crashes = CRASHES_ARE_POISON - 1 if file.crashes else 0
                _move(
                    connection, file, FileState.WAITING, crashes=crashes, interruptions=0,
                    finished=None, error_code=None, error=None, error_zh=None,
                )  # fmt: skip
            connection.execute(update(jobs).where(jobs.c.id == job).values(finished=None))
        return len(again)

    def delete_expired(self, keep_seconds: float) -> int:
        """Forget jobs that ended so long ago, and uploads that were never accepted."""
        old = jobs.c.finished < time.time() - keep_seconds
        with self._database.transaction() as connection:
            expired = list(connection.execute(select(jobs.c.id).where(old)).scalars())
            connection.execute(files.delete().where(files.c.job.in_(expired)))
            connection.execute(jobs.delete().where(jobs.c.id.in_(expired)))
            known = set(connection.execute(select(jobs.c.id)).scalars())
        for job in expired:
            self.blobs.forget(job)
        self.blobs.sweep(known)
        return len(expired)

    def _owned(self, connection: Connection, owner: str, file: JobFile) -> JobFile | None:
        """The file as it is now, if this owner is at it."""
        row = connection.execute(
            select(*_FILE).where(
                files.c.job == file.job,
                files.c.number == file.number,
                files.c.state == "running",
                files.c.owner == owner,
            )  # fmt: skip
        ).first()
        return None if row is None else _file(row)


def open_store(directory: Path, address: str = "", password: str | None = None) -> JobStore:
    """The store of this machine, or with an address the one it shares with others. An embedded
    database that is damaged is set aside and begun anew.

    Args:
        directory: on this machine; made if it is missing.
        address: postgresql://USER@HOST/DATABASE; empty for the embedded one.
        password: for that.

    Raises:
        OSError: the directory cannot be written to.
        sqlalchemy.exc.SQLAlchemyError: the database cannot be used.
        ConfigError: the address is none.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o750)
    if address:
        shared = tables.postgresql(address, password)
        return JobStore(
            shared, DatabaseBlobs(directory, shared), Leases(shared), f"{_this_machine()}:"
        )
    path = directory / "jobs.db"
    try:
        database = tables.sqlite(path)
    except OperationalError:
        raise
    except DatabaseError as error:
        aside = f"jobs.db.damaged-{int(time.time())}"
        log.error("jobs_set_aside", error=str(error.orig), kept_as=aside)
        os.replace(path, directory / aside)
        for suffix in ("-wal", "-shm"):
            (directory / f"jobs.db{suffix}").unlink(missing_ok=True)
        database = tables.sqlite(path)
    return JobStore(database, DirectoryBlobs(directory), FileLocks(directory / ".owners"))


def _this_machine() -> str:
    """A name that no other one has: that of the host, and what tells clones of it apart."""
    try:
        unique = Path("/etc/machine-id").read_text("ascii").strip()[:8]
    except OSError:
        unique = ""
    return f"{socket.gethostname()}{'/' if unique else ''}{unique}"


# -- inside a transaction -----------------------------------------------------------------------


def _lock(connection: Connection, job: str) -> None:
    """Nobody else changes this job or finishes files of it until the transaction is over. SQLite
    has one writer at a time anyway."""
    connection.execute(select(jobs.c.id).where(jobs.c.id == job).with_for_update())


def _move(connection: Connection, file: JobFile, state: FileState, **more: Any) -> None:
    """The only place where a file changes its state."""
    if state not in TRANSITIONS[file.state]:
        raise AssertionError(f"{file.job}/{file.number}: {file.state} to {state}")
    connection.execute(
        update(files)
        .where(files.c.job == file.job, files.c.number == file.number)
        .values(state=state.value, **more)
    )


def _finish_job(connection: Connection, job: str) -> None:
    is_open = and_(files.c.job == job, files.c.state.in_(_OPEN))
    if connection.execute(select(func.count()).select_from(files).where(is_open)).scalar() == 0:
        connection.execute(update(jobs).where(jobs.c.id == job).values(finished=time.time()))
        log.info("job_finished", job=job)


def _job(connection: Connection, job: str) -> Job:
    row = connection.execute(select(jobs).where(jobs.c.id == job)).first()
    if row is None:
        raise NotFound(
            f"there is no job {job[:40]!r}; it may have expired",
            f"没有任务 {job[:40]}，可能已过期",
        )
    return Job(row.id, row.client, row.hotwords, row.created, row.finished, bool(row.is_canceled))


def _file(row: Any) -> JobFile:
    values = dict(row._mapping)
    return JobFile(**{**values, "state": FileState(values["state"])})
