"""How workers get their files from the job store (`store.py`): claiming the next one, and what
becomes of it. A file belongs to the *owner* that claimed it, and what an owner finishes counts only
while it still does. Every call blocks."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Engine, and_, select, true, update

from seacod.jobs import address_book, records, turns
from seacod.jobs.blobs import DirectoryBlobs
from seacod.jobs.database import files, jobs
from seacod.jobs.model import FileState, Job, JobFile


@dataclass(frozen=True, slots=True)
class Claimed:
    """A file to work on."""

    file: JobFile
    job: Job


class Working:
    """A part of `JobStore`, which has the database and the blobs.

    `_node`: name of this machine, where there are several; its owners' names begin with it.
    """

    blobs: DirectoryBlobs
    _database: Engine
    _node: str

    def claim(self, owner: str, running: int, without: Collection[str] = ()) -> Claimed | None:
        """The next file to work on, now this owner's.

        One that was there when a worker crashed runs alone in its worker, so that the next crash
        says whose fault it was. Whose turn it is says `turns`.

        Args:
            running: how many files the owner is at.
            without: places of recordings that cannot be used now; what lies there waits.
        """
        owner = self._node + owner
        readable = and_(
            true(), *(~files.c.place.startswith(f"{one}/", autoescape=True) for one in without)
        )
        with self._database.begin() as connection:
            suspects = select(files.c.job).where(address_book.CRASHES > 0)
            mine = suspects.where(files.c.state == "running", files.c.owner == owner)
            if connection.execute(mine.limit(1)).first():
                return None
            waiting = suspects.where(files.c.state == "waiting", readable)
            has_suspect = connection.execute(waiting.limit(1)).first() is not None
            if has_suspect and running:
                return None
            next_one = select(*records.FILE).join(jobs, jobs.c.id == files.c.job)
            next_one = next_one.where(
                files.c.state == "waiting", int(has_suspect) <= address_book.CRASHES, readable
            )
            # PostgreSQL: others claim at the same moment, and take the next one.
            row = connection.execute(
                turns.ordered(next_one, time.time())
                .limit(1)
                .with_for_update(of=files, skip_locked=True)
            ).first()
            if row is None:
                return None
            file = records.file(row)
            now = time.time()
            records.move(connection, file, FileState.RUNNING, owner=owner, started=now)
            job = records.job(connection, file.job)
        # On its own: with the file's lock in hand, waiting for the job's could be a deadlock.
        with self._database.begin() as connection:
            connection.execute(update(jobs).where(jobs.c.id == file.job).values(claimed=now))
        with self._database.begin() as connection:
            turns.pass_on(connection, job.client, now)
        return Claimed(file, job)

    def finish(
        self,
        owner: str,
        file: JobFile,
        state: FileState,
        *,
        audio_seconds: float | None = None,
        error: tuple[str, str, str] | None = None,
        warnings: str = "[]",
    ) -> bool:
        """Write down that a file is done or has failed; its result, if any, was kept before.

        Returns:
            False when the file no longer belonged to this owner (canceled, or taken from it).
        """
        code, english, chinese = error or (None, None, None)
        with self._database.begin() as connection:
            records.lock(connection, file.job)
            present = records.owned(connection, self._node + owner, file)
            if present is not None:
                records.move(
                    connection, present, state, finished=time.time(), owner=None,
                    audio_seconds=audio_seconds, error_code=code, error=english,
                    error_zh=chinese, warnings=warnings,
                )  # fmt: skip
                records.finish_job(connection, file.job)
        if present is not None and state is FileState.DONE:
            # Others are kept as long as their job, for another try.
            self.blobs.drop(file)
        else:
            self.blobs.let_go(file)
        return present is not None

    def put_back(self, owner: str, file: JobFile) -> None:
        """Put back a file that was not finished through nobody's fault."""
        with self._database.begin() as connection:
            records.lock(connection, file.job)
            present = records.owned(connection, self._node + owner, file)
            if present is not None:
                records.move(connection, present, FileState.WAITING, owner=None)
        if present is not None:
            self.blobs.let_go(file)

    def lost_of(self, owner: str, known: Collection[tuple[str, int]]) -> list[tuple[str, int]]:
        """Which files an owner works on that are its own no more: canceled, or taken from
        it, at another worker or node.

        Args:
            known: job and number of each.
        """
        mine = (files.c.state == "running", files.c.owner == self._node + owner)
        with self._database.begin() as connection:
            rows = connection.execute(select(files.c.job, files.c.number).where(*mine)).all()
        present = {(row.job, row.number) for row in rows}
        return [one for one in known if one not in present]

    def put_back_strays(self, owner: str, known: Collection[tuple[str, int]]) -> int:
        """Put back files that this owner has and knows nothing of: the answer to a claim was lost
        with the connection, after the database had done it.

        Args:
            known: job and number of each file that is worked on.

        Returns:
            How many there were.
        """
        mine = (files.c.state == "running", files.c.owner == self._node + owner)
        with self._database.begin() as connection:
            rows = connection.execute(select(*records.FILE).where(*mine)).all()
        strays = [file for file in map(records.file, rows) if (file.job, file.number) not in known]
        for file in strays:
            self.put_back(owner, file)
        return len(strays)
