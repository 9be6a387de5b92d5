"""The version of a SQLite file of ours (PRAGMA user_version), and the way up from any before it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence


def bring_up(database: sqlite3.Connection, upgrades: Sequence[Sequence[str]]) -> int:
    """Make the file, or bring it to the newest version, in one transaction; several processes may
    do so at once.

    Args:
        database: with isolation_level=None.
        upgrades: for each version, the first being 1, the statements that make it of the one
            before.

    Returns:
        The file's version now: the newest, or that of a newer program, whose file is left as it is.

    Raises:
        sqlite3.Error: it cannot be written, or is none.
    """
    if _version(database) < len(upgrades):
        database.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have been quicker.
            version = _version(database)
            for number, statements in enumerate(upgrades[version:], version + 1):
                for statement in statements:
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {number}")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                database.execute("ROLLBACK")
            raise
        database.execute("COMMIT")
    return _version(database)


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])
