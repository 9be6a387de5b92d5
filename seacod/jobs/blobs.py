"""Where the recordings and the results of jobs lie: in a directory, or with the jobs in a database
that several machines share. Blocking.

    DIRECTORY/JOB/in/0001  DIRECTORY/JOB/out/0001.json
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from seacod.jobs import address_book
from seacod.jobs.database import now, recordings, results
from seacod.jobs.database import outside as outside_table
from seacod.jobs.model import ORPHAN_SECONDS, JobFile
from seacod.system.clock_jumps import is_unset

_PART_BYTES = 1 << 20
_DELETED_AT_ONCE = 64
# What lies beside the directories of jobs.
_NO_JOBS = (".owners",)


class DirectoryBlobs:
    """Keeps recordings and results in a directory of this machine.

    Args:
        directory: made if it is missing.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def incoming(self, job: str) -> Path:
        """The directory with the recordings of a job."""
        return self.directory / job / "in"

    def put(self, job: str, count: int, elsewhere: Collection[int] = ()) -> None:
        """Keep the recordings in `incoming`, numbered from 1, safe from a power cut.

        Args:
            elsewhere: numbers of those that lie outside already.
        """
        for number in range(1, count + 1):
            _to_disk(self.incoming(job) / f"{number:04}")
        _to_disk(self.incoming(job))

    def fetch(self, file: JobFile) -> Path:
        """The path of a recording on this machine, until it is dropped."""
        return self.incoming(file.job) / f"{file.number:04}"

    def path(self, file: JobFile) -> Path:
        """Where a copy of a recording that lies outside belongs on this machine; its directory is
        there."""
        path = self.incoming(file.job) / f"{file.number:04}"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        return path

    def has(self, file: JobFile) -> bool:
        """Whether the recording is still kept."""
        return self.fetch(file).exists()

    def let_go(self, file: JobFile) -> None:
        """Free what this machine holds beside the only copy of a recording: here nothing."""

    def drop(self, file: JobFile) -> None:
        """Delete a recording that is not needed any more."""
        (self.incoming(file.job) / f"{file.number:04}").unlink(missing_ok=True)

    def not_needed_outside(self, job: str) -> None:
        """What lies outside of a job is to be deleted there: of one machine alone, nothing."""

    def drop_all(self, job: str) -> None:
        """Delete all recordings of a job."""
        shutil.rmtree(self.incoming(job), ignore_errors=True)

    def keep(self, file: JobFile, body: dict[str, Any]) -> None:
        """Write a result, whole or not at all."""
        path = self._result(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Under another name first: what has the right name is complete, after a power cut, too.
        fresh = path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as out:
            json.dump(body, out, ensure_ascii=False)
            out.flush()
            os.fsync(out.fileno())
        os.replace(fresh, path)

    def read(self, file: JobFile) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self._result(file).read_text("utf-8"))
        return body

    def forget(self, job: str) -> None:
        """Delete recordings and results of a job."""
        shutil.rmtree(self.directory / job, ignore_errors=True)

    def there(self) -> list[str]:
        """The jobs of which there is anything here."""
        return [
            one.name
            for one in self.directory.iterdir()
            if one.is_dir() and one.name not in _NO_JOBS
        ]

    def sweep(self, known: Collection[str], looks_older_by: float = 0.0) -> None:
        """Delete uploads that were never accepted; see `JobStore.delete_expired`."""
        for name in self.there():
            directory = self.directory / name
            if name in known:
                continue
            with contextlib.suppress(OSError):
                now, touched_at = time.time(), directory.stat().st_mtime
                if is_unset(touched_at, now):
                    os.utime(directory)
                    continue
                age = now - touched_at - looks_older_by
                if age > ORPHAN_SECONDS:
                    shutil.rmtree(directory, ignore_errors=True)

    def _result(self, file: JobFile) -> Path:
        return self.directory / file.job / "out" / f"{file.number:04}.json"


class DatabaseBlobs(DirectoryBlobs):
    """Keeps recordings and results in the shared database, in parts; the directory has what is read
    at present.

    Args:
        directory: a place for copies on this machine.
        database: shared with the other machines.
    """

    def __init__(self, directory: Path, database: Engine) -> None:
        super().__init__(directory)
        self._database = database

    def put(self, job: str, count: int, elsewhere: Collection[int] = ()) -> None:
        # A transaction for each: what is kept for a job that is never accepted is swept.
        for number in range(1, count + 1):
            if number in elsewhere:
                continue
            with (
                (self.incoming(job) / f"{number:04}").open("rb") as sound,
                self._database.begin() as connection,
            ):
                # One at least: a recording without a byte is there, too.
                rest = iter(lambda: sound.read(_PART_BYTES), b"")
                for part, body in enumerate(itertools.chain((sound.read(_PART_BYTES),), rest)):
                    connection.execute(
                        recordings.insert(),
                        {"job": job, "number": number, "part": part, "body": body,
                         "kept": now(connection)},
                    )  # fmt: skip
        self.forget_here(job)

    def fetch(self, file: JobFile) -> Path:
        path = self.path(file)
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as out, self._database.begin() as connection:
            part = 0
            while (body := self._part(connection, file, part)) is not None:
                out.write(body)
                part += 1
        os.replace(fresh, path)
        return path

    def has(self, file: JobFile) -> bool:
        with self._database.begin() as connection:
            if file.place:
                return address_book.is_kept(connection, file.place)
            return self._part(connection, file, 0) is not None

    def let_go(self, file: JobFile) -> None:
        super().drop(file)

    def drop(self, file: JobFile) -> None:
        super().drop(file)
        with self._database.begin() as connection:
            connection.execute(recordings.delete().where(_same(recordings, file)))
            if file.place:
                address_book.doom(connection, outside_table.c.address == file.place)

    def drop_all(self, job: str) -> None:
        super().drop_all(job)
        self.not_needed_outside(job)
        self._gone(recordings.c.job == job)

    def keep(self, file: JobFile, body: dict[str, Any]) -> None:
        text = json.dumps(body, ensure_ascii=False)
        fresh = insert(results).values(job=file.job, number=file.number, body=text)
        with self._database.begin() as connection:
            connection.execute(
                fresh.on_conflict_do_update(index_elements=["job", "number"], set_={"body": text})
            )

    def read(self, file: JobFile) -> dict[str, Any]:
        with self._database.begin() as connection:
            text = connection.execute(select(results.c.body).where(_same(results, file))).scalar()
        if text is None:
            raise FileNotFoundError(f"{file.job}/{file.number} has no result")
        body: dict[str, Any] = json.loads(text)
        return body

    def forget(self, job: str) -> None:
        self.forget_here(job)
        self.not_needed_outside(job)
        self._gone(recordings.c.job == job)
        with self._database.begin() as connection:
            connection.execute(results.delete().where(results.c.job == job))

    def not_needed_outside(self, job: str) -> None:
        with self._database.begin() as connection:
            address_book.doom(connection, outside_table.c.job == job)

    def forget_here(self, job: str) -> None:
        """Delete what this machine has of a job."""
        super().forget(job)

    def sweep(self, known: Collection[str], looks_older_by: float = 0.0) -> None:
        super().sweep(known, looks_older_by)
        with self._database.begin() as connection:
            before = now(connection) - ORPHAN_SECONDS - looks_older_by
            address_book.doom_orphans(connection, looks_older_by)
            old = select(recordings.c.job).where(recordings.c.kept < before).distinct()
            there = set(connection.execute(old).scalars())
        # One by one: a statement has 65,535 parameters at most, and there may be more jobs.
        for job in sorted(there.difference(known)):
            self._gone(and_(recordings.c.kept < before, recordings.c.job == job))

    def _gone(self, which: ColumnElement[bool]) -> None:
        """A few parts at a time: gigabytes in one statement look as if the database stood still."""
        key = (recordings.c.job, recordings.c.number, recordings.c.part)
        few = select(*key).where(which).limit(_DELETED_AT_ONCE)
        while True:
            with self._database.begin() as connection:
                if not connection.execute(
                    recordings.delete().where(tuple_(*key).in_(few))
                ).rowcount:
                    return

    @staticmethod
    def _part(connection: Any, file: JobFile, part: int) -> bytes | None:
        wanted = and_(_same(recordings, file), recordings.c.part == part)
        body = connection.execute(select(recordings.c.body).where(wanted)).scalar()
        return None if body is None else bytes(body)


def _same(table: Any, file: JobFile) -> Any:
    return and_(table.c.job == file.job, table.c.number == file.number)


def _to_disk(path: Path) -> None:
    """Write to the disk, so that the file is there after a power cut, too."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
