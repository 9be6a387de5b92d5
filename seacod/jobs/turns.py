"""Whose file is next: clients take turns, and so do the jobs of each client.

The store calls this inside its transactions. The time in `jobs.claimed` is all that is kept of it,
as in every version before, so that nodes of those work beside: when a file of a job was claimed
last, or where it stood in the queue when it came. The job that is last of its client's carries when
the client was served, and when one of them goes, the one before it does. So whoever comes, with
however many jobs, is behind everybody who waits already, and nobody is passed twice.
"""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, select, update

from seacod.jobs.database import files, jobs

_WAITS = jobs.c.id.in_(select(files.c.job).where(files.c.state == "waiting"))


def ordered(query: Select[Any], now: float) -> Select[Any]:
    """Files that wait, joined with their jobs, by whose turn it is.

    Args:
        now: Unix seconds.
    """
    others = jobs.alias("others")
    waits = others.c.id.in_(select(files.c.job).where(files.c.state == "waiting"))
    clients = (
        select(
            others.c.client,
            func.max(_since(others.c.claimed, now)).label("served"),
            func.min(others.c.created).label("oldest"),
        )
        .where(waits)
        .group_by(others.c.client)
        .subquery()
    )
    since = _since(jobs.c.claimed, now)
    # However many more a client brings, every second turn of its own is its oldest job's.
    is_due = and_(jobs.c.created <= clients.c.oldest, since < clients.c.served)
    return query.join(clients, clients.c.client == jobs.c.client).order_by(
        clients.c.served, jobs.c.client, case((is_due, 0), else_=1), since,
        jobs.c.created, jobs.c.id, files.c.number,
    )  # fmt: skip


def joining(connection: Connection, client: str, now: float) -> float:
    """What `claimed` of a job is that this client brings now: behind all its others; where none of
    them waits, behind everybody's."""
    theirs = select(func.max(_since(jobs.c.claimed, now))).where(jobs.c.client == client, _WAITS)
    last = connection.execute(theirs).scalar()
    return now if last is None else float(last)


def pass_on(connection: Connection, client: str, served: float) -> None:
    """The client was served then, with a job that may wait no more. A transaction of its own: jobs
    are locked one at a time.

    Args:
        served: Unix seconds.
    """
    since = _since(jobs.c.claimed, time.time())
    last = connection.execute(
        select(jobs.c.id)
        .where(jobs.c.client == client, _WAITS)
        .order_by(since.desc(), jobs.c.created.desc(), jobs.c.id.desc())
        .limit(1)
    ).scalar()
    is_earlier = and_(jobs.c.id == last, jobs.c.claimed < served)
    connection.execute(update(jobs).where(is_earlier).values(claimed=served))


def _since(claimed: ColumnElement[float], now: float) -> ColumnElement[float]:
    """One that was claimed while the clock was ahead does not wait for that time."""
    return case((claimed > now, 0.0), else_=claimed)
