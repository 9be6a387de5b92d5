"""Word that a job is over, for the address its client gave: kept beside the job, in the transaction
that ends it, so that neither is without the other.

The store calls this inside its transactions; `callback_delivery.py` sends.
"""

from __future__ import annotations

import datetime
import json
import secrets
import time
import urllib.parse
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, func, or_, select, update

from seacod.jobs.database import callbacks, files
from seacod.jobs.model import Callback, CallbackState, Job

# A try that is not over after so long was that of a worker which is no more.
LEASE_SECONDS = 60.0
# The longest pause between two tries; what is due later than that was put off by another clock.
MOST_PAUSE_SECONDS = 3600.0


def enqueue(connection: Connection, job: Job) -> None:
    """A job is over: its client is to be told, if it asked for that."""
    if not job.callback_url or job.finished is None:
        return
    counted = connection.execute(
        select(files.c.state, func.count()).where(files.c.job == job.id).group_by(files.c.state)
    ).all()
    state = "canceled" if job.is_canceled else "done"
    ended = datetime.datetime.fromtimestamp(job.finished, datetime.timezone.utc)
    body = {
        "type": f"job.{state}",
        "timestamp": ended.isoformat(timespec="milliseconds"),
        "data": {
            "job": job.id,
            "state": state,
            "created": round(job.created, 3),
            "finished": round(job.finished, 3),
            "counts": {str(name): int(count) for name, count in counted},
            "status_url": f"/jobs/{job.id}",
            "results_url": f"/jobs/{job.id}/results",
        },
    }
    now = time.time()
    connection.execute(
        callbacks.insert(),
        {
            "id": f"msg_{secrets.token_hex(16)}",
            "job": job.id,
            "url": job.callback_url,
            "host": urllib.parse.urlsplit(job.callback_url).netloc,
            "body": json.dumps(body),
            "made": now,
            "due": now,
        },
    )


def claim(connection: Connection, busy_hosts: Collection[str]) -> Callback | None:
    """The next one to send, which nobody else sends until `LEASE_SECONDS` from now.

    Args:
        busy_hosts: those that are being told something now; a slow one keeps nobody else waiting.
    """
    now = time.time()
    row = connection.execute(
        select(callbacks)
        .where(
            callbacks.c.state == CallbackState.WAITING.value,
            or_(
                callbacks.c.due <= now,
                callbacks.c.due > now + MOST_PAUSE_SECONDS + LEASE_SECONDS,
            ),
            callbacks.c.host.not_in(list(busy_hosts)),
        )
        .order_by(callbacks.c.due)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if row is None:
        return None
    found = _callback(row)
    attempts = found.attempts + 1
    change(connection, found, due=now + LEASE_SECONDS, attempts=attempts)
    return replace(found, attempts=attempts)


def change(connection: Connection, which: Callback, **values: Any) -> None:
    """Write down what became of it."""
    connection.execute(update(callbacks).where(callbacks.c.id == which.id).values(**values))


def newest(connection: Connection, job: str) -> Callback | None:
    """The last one of a job; one that was tried again has several."""
    row = connection.execute(
        select(callbacks).where(callbacks.c.job == job).order_by(callbacks.c.made.desc()).limit(1)
    ).first()
    return None if row is None else _callback(row)


def _callback(row: Any) -> Callback:
    values = dict(row._mapping)
    return Callback(**{**values, "state": CallbackState(values["state"])})
