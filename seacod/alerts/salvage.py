"""What can still be read of an outbox whose file is damaged. Called by `outbox_file.py`."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Rows:
    """What was read of each table, and whether that was everything."""

    of: dict[str, list[tuple[object, ...]]]
    is_all: bool


def read(db: sqlite3.Connection, tables: dict[str, str]) -> Rows:
    """Of each table the rows before the first damaged page.

    Args:
        db: open on the damaged file.
        tables: the columns to read of each.
    """
    found: dict[str, list[tuple[object, ...]]] = {}
    is_all = True
    for table, columns in tables.items():
        rows = found[table] = []
        try:
            for row in db.execute(f"SELECT {columns} FROM {table}"):  # noqa: S608  # ours, no value
                rows.append(row)  # those before an error stay
        except sqlite3.Error:
            is_all = False
    return Rows(found, is_all)


def write(db: sqlite3.Connection, tables: dict[str, str], rows: Rows) -> None:
    """Put them into a new file, each that it takes."""
    for table, columns in tables.items():
        places = ",".join("?" * len(columns.split(",")))
        for row in rows.of[table]:
            with contextlib.suppress(sqlite3.Error):
                db.execute(
                    f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({places})",  # noqa: S608
                    row,
                )


def put_aside(path: Path) -> Path | None:
    """Give the damaged file another name, with its log; no process may have it open.

    Returns:
        The new name; None where somebody has removed the file.

    Raises:
        OSError: it cannot be renamed.
    """
    aside = path.with_suffix(f".broken-{int(time.time())}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return None
    for end in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{path}{end}", f"{aside}{end}")
    return aside
