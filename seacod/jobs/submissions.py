"""What clients call their uploads (`Idempotency-Key`): the same again is the same job.

The store calls this inside its transactions; a key is kept as long as its job.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sqlalchemy import Connection, select

from seacod.errors import BadRequest, KeyReused
from seacod.jobs.database import submissions
from seacod.jobs.model import Submission
from seacod.system.files.digest import sha256_of

# Whatever is printed; UUIDs have 36.
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def read_key(header: str) -> str:
    """The key as a client sent it; empty where it sent none.

    Raises:
        BadRequest: it is too long, or none.
    """
    # As a structured field (RFC 8941) it comes in quotes.
    key = header.strip().strip('"')
    if header and not _KEY.fullmatch(key):
        raise BadRequest(
            "Idempotency-Key: use 1 to 255 printable ASCII characters without blanks, such as a "
            "UUID",
            "Idempotency-Key：应为 1 到 255 个不含空格的可打印 ASCII 字符，例如 UUID",
        )
    return key


def digest(fields: Mapping[str, Sequence[str]], files: Iterable[tuple[str, Path]]) -> str:
    """SHA-256 of everything that a form brought. Blocking: it reads the files.

    Args:
        fields: each with its values.
        files: the name people gave to each, and where it lies.
    """
    whole = hashlib.sha256(json.dumps({name: fields[name] for name in sorted(fields)}).encode())
    for name, path in files:
        whole.update(json.dumps([name, sha256_of(path)]).encode())
    return whole.hexdigest()


def find(connection: Connection, client: str, wanted: Submission) -> str | None:
    """The job that it became; None before.

    Raises:
        KeyReused: the client called something else so.
    """
    row = connection.execute(
        select(submissions.c.job, submissions.c.digest).where(
            submissions.c.client == client, submissions.c.key == wanted.key
        )
    ).first()
    if row is None:
        return None
    if row.digest != wanted.digest:
        raise KeyReused(
            f"Idempotency-Key {wanted.key[:40]!r} was sent with other recordings or fields before "
            f"(job {row.job}); use a new key for each batch",
            f"Idempotency-Key {wanted.key[:40]} 已用于内容不同的任务 {row.job}；"
            "每个批量任务请使用新的键",
        )
    return str(row.job)


def keep(connection: Connection, client: str, wanted: Submission, job: str) -> None:
    """Write down what it became; an IntegrityError if it was there before."""
    values = {"client": client, "key": wanted.key, "digest": wanted.digest, "job": job}
    connection.execute(submissions.insert(), values)
