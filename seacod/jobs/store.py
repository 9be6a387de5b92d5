"""Jobs and their files, and every change of them: one transaction each.

Every call blocks: call from one thread, never from an event loop. Several workers may share the
store, of one machine or of several. How a job is taken on is `accepting.py`, how its files are
worked on `working.py`; where things lie `database.py` and `blobs.py`, who is alive `leases.py`.
What belongs to the dead is taken back by `recovery.py`; `opening.py` puts them together.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import cast

from sqlalchemy import Engine, and_, select, update

from seacod.errors import Conflict
from seacod.jobs import address_book, callbacks, listing, records, turns
from seacod.jobs import database as tables
from seacod.jobs.accepting import Accepting
from seacod.jobs.blobs import DirectoryBlobs
from seacod.jobs.database import files, jobs
from seacod.jobs.leases import Ownership
from seacod.jobs.listing import Listed
from seacod.jobs.model import (
    CRASHES_ARE_POISON,
    Callback,
    CallbackState,
    FileState,
    Job,
    JobFile,
)
from seacod.jobs.recovery import Recovery
from seacod.jobs.stalls import Stalls
from seacod.jobs.working import Working
from seacod.system.clock_jumps import UNSET_BEFORE
from seacod.system.files.file_identity import identity
from seacod.system.files.sqlite_format import drop_logs, put_back


class JobStore(Accepting, Working):
    """All jobs of a service, or of several.

    Args:
        database: where jobs and files are written down.
        blobs: where recordings and results lie; read and written there by whoever works on them.
        ownership: who works on them.
        node: name of this machine, where there are several; its owners' names begin with it.
        file: of an embedded database.
        lost: ids of jobs whose recordings lie here and of which a database that was just made knows
            nothing.
        stalls: knows how long the database has not answered.
    """

    def __init__(
        self,
        database: Engine,
        blobs: DirectoryBlobs,
        ownership: Ownership,
        node: str = "",
        file: Path | None = None,
        lost: Sequence[str] = (),
        stalls: Stalls | None = None,
    ) -> None:
        self.blobs = blobs
        self._database = database
        self._node = node
        self.lost = tuple(lost)
        self.stalls = stalls
        self._path = file
        self._file = identity(file) if file is not None else None
        self._ownership = ownership
        self._recovery = Recovery(database, ownership, node)

    def close(self) -> None:
        self._ownership.close()
        self._database.dispose()

    def was_removed(self) -> bool:
        """Whether somebody has removed the database's file, or put another one there."""
        return self._path is not None and identity(self._path) != self._file

    def write_anew(self) -> bool:
        """Put the database, which is open here still, back to where its file was.

        Returns:
            False where another file lies there, which counts from now on.

        Raises:
            sqlite3.Error, OSError: it cannot be written, or not be read any more.
        """
        assert self._path is not None
        if self._path.exists():
            drop_logs(self._path)
            return False
        connection = self._database.raw_connection()
        try:
            put_back(cast("sqlite3.Connection", connection.driver_connection), self._path)
        finally:
            connection.close()
        return True

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

    # -- recordings that lie outside ----------------------------------------------------------

    def reserve(self, root: str, job: str, numbers: Collection[int]) -> address_book.Reserved:
        """See `address_book.reserve`; comes before `accept`."""
        with self._database.begin() as connection:
            return address_book.reserve(connection, root, job, numbers)

    def place_is_marked(self, root: str) -> None:
        """See `address_book.marked`."""
        with self._database.begin() as connection:
            address_book.marked(connection, root)

    def identity_of(self, root: str) -> tuple[str, bool]:
        """See `address_book.identity`."""
        with self._database.begin() as connection:
            return address_book.identity(connection, root)

    def doomed(self, without: Collection[str] = (), but: Collection[str] = ()) -> Sequence[str]:
        """See `address_book.doomed`; what was deleted is `gone`."""
        with self._database.begin() as connection:
            return address_book.doomed(connection, without, but)

    def gone(self, addresses: Collection[str]) -> None:
        """Nothing is there: it was deleted, or never put there."""
        with self._database.begin() as connection:
            address_book.gone(connection, addresses)

    # -- taking back ----------------------------------------------------------------------------

    def recover(self, blamed_pids: Sequence[int] = (), *, grace_seconds: float = 0.0) -> int:
        """See `Recovery.take_back`."""
        return self._recovery.take_back(blamed_pids, grace_seconds)

    # -- telling who waits ----------------------------------------------------------------------

    def claim_callback(self, busy_hosts: Collection[str]) -> Callback | None:
        """See `callbacks.claim`."""
        with self._database.begin() as connection:
            return callbacks.claim(connection, busy_hosts)

    def end_callback(self, which: Callback, state: CallbackState, answer: str) -> None:
        """Write down that it was delivered or given up."""
        with self._database.begin() as connection:
            callbacks.change(connection, which, state=state.value, ended=time.time(), answer=answer)

    def put_off_callback(self, which: Callback, due: float, answer: str) -> None:
        """It is tried again at `due`, Unix seconds."""
        with self._database.begin() as connection:
            callbacks.change(connection, which, due=due, answer=answer)

    # -- asked for by clients -----------------------------------------------------------------

    def get(self, job: str) -> tuple[Job, list[JobFile]]:
        """A job with its files.

        Raises:
            NotFound: there is no job with this id.
        """
        with self._database.begin() as connection:
            found = records.job(connection, job)
            rows = connection.execute(
                select(*records.FILE).where(files.c.job == job).order_by(files.c.number)
            ).all()
        return found, [records.file(row) for row in rows]

    def callback(self, job: str) -> Callback | None:
        """The newest word of a job's end; None before there is one."""
        with self._database.begin() as connection:
            return callbacks.newest(connection, job)

    def of_client(self, client: str, before: str, most: int) -> list[Listed]:
        """See `listing.of_client`."""
        return listing.of_client(self._database, client, before, most)

    def cancel(self, job: str) -> list[JobFile]:
        """Cancel every file that has not finished.

        Returns:
            The files that were running.

        Raises:
            NotFound: there is no such job.
            Conflict: the job is over.
        """
        with self._database.begin() as connection:
            records.lock(connection, job)
            found = records.job(connection, job)
            if found.finished is not None:
                raise Conflict(
                    f"job {job} is over already; its results are kept", f"任务 {job} 已结束"
                )
            running = []
            wanted = and_(files.c.job == job, files.c.state.in_(records.OPEN))
            # One that is claimed at this moment is waited for.
            for row in connection.execute(
                select(*records.FILE).where(wanted).with_for_update()
            ).all():
                file = records.file(row)
                if file.state is FileState.RUNNING:
                    running.append(file)
                records.move(connection, file, FileState.CANCELED, owner=None, finished=time.time())
            records.end_job(connection, job, is_canceled=True)
            claimed = select(jobs.c.claimed).where(jobs.c.id == job)
            served = connection.execute(claimed).scalar() or 0.0
        with self._database.begin() as connection:
            turns.pass_on(connection, found.client, served)
        self.blobs.drop_all(job)
        return running

    def delete(self, job: str) -> None:
        """Forget a job that is over, its recordings and its results.

        Raises:
            NotFound: there is no such job.
            Conflict: it is not over.
        """
        with self._database.begin() as connection:
            records.lock(connection, job)
            if records.job(connection, job).finished is None:
                raise Conflict(
                    f"job {job} is not over; cancel it first", f"任务 {job} 尚未结束，请先取消"
                )
            connection.execute(files.delete().where(files.c.job == job))
            connection.execute(jobs.delete().where(jobs.c.id == job))
        self.blobs.forget(job)

    def retry(self, job: str) -> int:
        """Try again what has failed. What had ended the worker runs alone, and is set aside
        at once when it does so again.

        Returns:
            How many files.

        Raises:
            NotFound: there is no such job.
            Conflict: nothing of it has failed, or it was canceled.
        """
        with self._database.begin() as connection:
            records.lock(connection, job)
            found = records.job(connection, job)
            wanted = and_(files.c.job == job, files.c.state.in_(("failed", "poison")))
            rows = connection.execute(select(*records.FILE).where(wanted)).all()
            again = [file for file in map(records.file, rows) if self.blobs.has(file)]
            if found.is_canceled or not again:
                raise Conflict(
                    f"nothing of job {job} can be tried again: nothing has failed, or it was "
                    "canceled",
                    f"任务 {job} 没有可重试的文件",
                )
            for file in again:
                crashes = CRASHES_ARE_POISON - 1 if file.crashes else 0
                records.move(
                    connection, file, FileState.WAITING, crashes=crashes, interruptions=0,
                    finished=None, error_code=None, error=None, error_zh=None,
                )  # fmt: skip
            connection.execute(update(jobs).where(jobs.c.id == job).values(finished=None))
        return len(again)

    def now(self) -> float:
        """Unix seconds by the clock of all who share the database."""
        with self._database.begin() as connection:
            return tables.now(connection)

    def delete_expired(self, keep_seconds: float, looks_older_by: float = 0.0) -> int:
        """Forget jobs that ended so long ago, and uploads that were never accepted. One of which
        somebody is still to be told is kept until then.

        Args:
            keep_seconds: for how long a job is kept.
            looks_older_by: by how many seconds anything may look older than it is, see
                `ClockJumps`.
        """
        untold = select(tables.callbacks.c.job).where(tables.callbacks.c.state == "waiting")
        with self._database.begin() as connection:
            now = tables.now(connection)
            for stamp in (jobs.c.finished, tables.callbacks.c.made):
                # Of a clock that was not set yet; from now on it ages.
                if now >= UNSET_BEFORE:
                    connection.execute(
                        update(stamp.table).where(stamp < UNSET_BEFORE).values({stamp.name: now})
                    )
            before = now - keep_seconds - looks_older_by
            old = and_(jobs.c.finished < before, jobs.c.id.not_in(untold))
            expired = list(connection.execute(select(jobs.c.id).where(old)).scalars())
            connection.execute(files.delete().where(files.c.job.in_(expired)))
            connection.execute(jobs.delete().where(jobs.c.id.in_(expired)))
            known = set(connection.execute(select(jobs.c.id)).scalars())
        for job in expired:
            self.blobs.forget(job)
        self.blobs.sweep(known, looks_older_by)
        return len(expired)
