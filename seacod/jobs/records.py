"""What is read and written of jobs and their files inside a transaction of the store's."""

from __future__ import annotations

from typing import Any

import structlog
from sqlalchemy import Connection, and_, func, select, update

from seacod.asr.choice import SoundChoice
from seacod.errors import NotFound
from seacod.jobs import callbacks
from seacod.jobs.address_book import UNSEEN
from seacod.jobs.database import files, jobs, now
from seacod.jobs.model import TRANSITIONS, FileState, Job, JobFile

log = structlog.get_logger(__name__)

FILE = tuple(files.c[name] for name in JobFile.__dataclass_fields__)
OPEN = (FileState.WAITING.value, FileState.RUNNING.value)


def lock(connection: Connection, identifier: str) -> None:
    """Nobody else changes this job or finishes files of it until the transaction is over. SQLite
    has one writer at a time anyway."""
    connection.execute(select(jobs.c.id).where(jobs.c.id == identifier).with_for_update())


def move(connection: Connection, which: JobFile, state: FileState, **more: Any) -> None:
    """The only place where a file changes its state."""
    if which.place and "crashes" in more:
        more["crashes"] -= UNSEEN
    if state not in TRANSITIONS[which.state]:
        raise AssertionError(f"{which.job}/{which.number}: {which.state} to {state}")
    connection.execute(
        update(files)
        .where(files.c.job == which.job, files.c.number == which.number)
        .values(state=state.value, **more)
    )


def finish_job(connection: Connection, identifier: str) -> None:
    """The job is over if none of its files is open."""
    is_open = and_(files.c.job == identifier, files.c.state.in_(OPEN))
    if connection.execute(select(func.count()).select_from(files).where(is_open)).scalar() == 0:
        end_job(connection, identifier)
        log.info("job_finished", job=identifier)


def end_job(connection: Connection, identifier: str, **more: Any) -> None:
    """Write down that the job is over, and who is to be told so."""
    ended = update(jobs).where(jobs.c.id == identifier).values(finished=now(connection), **more)
    connection.execute(ended)
    callbacks.enqueue(connection, job(connection, identifier))


def job(connection: Connection, identifier: str) -> Job:
    """The job with this id.

    Raises:
        NotFound: there is none.
    """
    row = None
    # PostgreSQL takes no such text.
    if "\0" not in identifier:
        row = connection.execute(select(jobs).where(jobs.c.id == identifier)).first()
    if row is None:
        raise NotFound(
            f"there is no job {identifier[:40]!r}; it may have expired",
            f"没有任务 {identifier[:40]}，可能已过期",
        )
    return as_job(row)


def as_job(row: Any) -> Job:
    """A row of the table of jobs."""
    return Job(
        row.id, row.client, row.hotwords, row.created, row.finished, bool(row.is_canceled),
        SoundChoice.read(dict(row._mapping)), row.choices, row.callback_url,
    )  # fmt: skip


def file(row: Any) -> JobFile:
    """A row of the columns `FILE`."""
    values = dict(row._mapping)
    if values["place"]:
        values["crashes"] += UNSEEN
    return JobFile(**{**values, "state": FileState(values["state"])})


def owned(connection: Connection, owner: str, which: JobFile) -> JobFile | None:
    """The file as it is now, if it still is this owner's."""
    row = connection.execute(
        select(*FILE).where(
            files.c.job == which.job,
            files.c.number == which.number,
            files.c.state == "running",
            files.c.owner == owner,
        )  # fmt: skip
    ).first()
    return None if row is None else file(row)
