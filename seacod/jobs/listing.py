"""The jobs of one client, newest first, a page at a time. Blocking, like the store."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, and_, func, or_, select

from seacod.jobs import records
from seacod.jobs.database import files, jobs
from seacod.jobs.model import FileState, Job


@dataclass(frozen=True, slots=True)
class Listed:
    """A job, and how many of its files are in each state."""

    job: Job
    counts: dict[FileState, int]

    @property
    def state(self) -> str:
        """See `Job.state`."""
        return self.job.state(self.counts)


def of_client(database: Engine, client: str, before: str, most: int) -> list[Listed]:
    """A page of a client's jobs.

    Args:
        client: whose.
        before: the last job of the page before this one; empty for the first page.
        most: jobs on a page.

    Raises:
        NotFound: there is no job `before`.
    """
    wanted = select(jobs).where(jobs.c.client == client)
    with database.begin() as connection:
        if before:
            last = records.job(connection, before)
            wanted = wanted.where(
                or_(
                    jobs.c.created < last.created,
                    and_(jobs.c.created == last.created, jobs.c.id < last.id),
                )
            )
        rows = connection.execute(
            wanted.order_by(jobs.c.created.desc(), jobs.c.id.desc()).limit(most)
        ).all()
        found = [records.as_job(row) for row in rows]
        counted = connection.execute(
            select(files.c.job, files.c.state, func.count())
            .where(files.c.job.in_([one.id for one in found]))
            .group_by(files.c.job, files.c.state)
        ).all()
    counts: dict[str, dict[FileState, int]] = {one.id: {} for one in found}
    for job, state, count in counted:
        counts[job][FileState(state)] = count
    return [Listed(one, counts[one.id]) for one in found]
