"""Whether the tables of jobs are as this version needs them: made where there are none, brought up
by Alembic where an older version has made them, left alone where a newer one has.

`opening.py` asks at each start, `seacod check jobs` tries it all and takes it back. Blocking.
"""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    String,
    Table,
    false,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from seacod.errors import StoredByNewer
from seacod.jobs.database import FORMAT, HEAD, files, jobs, metadata, shared
from seacod.system.files.sqlite_format import version_of

# PostgreSQL: one of any number that names us among its users (pg_advisory_lock(bigint)).
_SCHEMA_LOCK = 0x5EAC0D
_MIGRATIONS = Path(__file__).parent / "migrations"
# As Alembic makes it; not by its usual name, since the database may be another application's, too.
VERSIONS = "seacod_version"
_versions = Table(VERSIONS, MetaData(), Column("version_num", String(32), primary_key=True))
_NO_RIGHTS = "42501"
# What PostgreSQL (SQLSTATE) or SQLite (its words) say, and what to do about it.
_ADVICE = {
    _NO_RIGHTS: (
        "its role may not do that: make it the owner of the database and of the tables "
        "(ALTER DATABASE ... OWNER TO ...), or GRANT CREATE ON SCHEMA public and all rights on the "
        "tables",
        "该角色没有权限：请使其成为数据库与各表的所有者（ALTER DATABASE ... OWNER TO ...），"
        "或授予 CREATE ON SCHEMA public 以及各表的全部权限",
    ),
    "25006": (
        "the database is read-only: a standby, or default_transaction_read_only; name the primary "
        "in results.database",
        "数据库只读：可能是备库，或设置了 default_transaction_read_only；"
        "请在 results.database 中填写主库",
    ),
    "55P03": (
        "somebody holds a lock and does not let go: SELECT pid, state, query FROM pg_stat_activity",
        "有连接占用锁不放：SELECT pid, state, query FROM pg_stat_activity",
    ),
    "42703": (_MISSING := (
        "the tables are not as this version needs them: restore the database from its backup, or "
        "add what is missing (seacod/jobs/database.py says how it is declared)",
        "数据表与当前版本的要求不符：请从备份恢复数据库，或补上缺少的部分"
        "（声明见 seacod/jobs/database.py）",
    )),
    "42P01": _MISSING,
    "no such column": _MISSING,
    "no such table": _MISSING,
    "readonly": (
        "the file, its directory or the file system is read-only for the service",
        "该文件、其目录或文件系统对服务只读",
    ),
}  # fmt: skip


def bring_up(engine: Engine, where: str) -> None:
    """See that the tables are there, as this version needs them.

    Args:
        where: names the database for people.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: they cannot be made, or lack something.
        StoredByNewer: a newer version has made them, which this one cannot use.
    """
    with engine.begin() as connection:
        _bring_up(connection, where)


def try_out(engine: Engine, where: str) -> None:
    """Do what a node does with the tables, and take it all back; raises as `bring_up`."""
    with engine.connect() as connection, connection.begin() as begun:
        try:
            _bring_up(connection, where)
            job = {"id": f"check-{time.time_ns()}", "client": "", "hotwords": "", "created": 0.0}
            file = {"job": job["id"], "number": 1, "name": "", "size_bytes": 0, "state": "waiting"}
            connection.execute(jobs.insert(), job)
            connection.execute(files.insert(), file)
            mine = jobs.c.id == job["id"]
            connection.execute(jobs.update().where(mine).values(claimed=1.0))
            connection.execute(jobs.delete().where(mine))
        finally:
            begun.rollback()


def advice(error: SQLAlchemyError) -> tuple[str, str] | None:
    """What to do about what a database says, in English and Chinese; None where nobody knows."""
    cause = getattr(error, "orig", None)
    told = f"{getattr(cause, 'sqlstate', '')} {cause}"
    return next((words for sign, words in _ADVICE.items() if sign in told), None)


def file_problem(path: Path) -> StoredByNewer | None:
    """What keeps this version from the database in a file; None for nothing, or no file.

    Raises:
        sqlite3.Error: it is none, or cannot be read.
    """
    if not path.exists() or (found := version_of(path)) <= FORMAT:
        return None
    return StoredByNewer.of(path.as_posix(), found, FORMAT)


def _bring_up(connection: Connection, where: str) -> None:
    is_embedded = connection.dialect.name == "sqlite"
    tables = [metadata] if is_embedded else [metadata, shared]
    if is_embedded:
        # For who looks into the file without opening it.
        stored = int(connection.exec_driver_sql("PRAGMA user_version").scalar() or 0)
        _check(where, stored)
    if _is_old(found := _revision(connection)) and not is_embedded:
        # Two services that start at once would both make them.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_LOCK})
        found = _revision(connection)
    if found is not None:
        _check(where, _numbers(found)[0])
    elif not inspect(connection).has_table(jobs.name):
        for one in (*tables, _versions.metadata):
            one.create_all(connection)
        connection.execute(_versions.insert(), {"version_num": HEAD})
        found = HEAD
    refused = _migrate(connection) if _is_old(found) else None
    try:
        for table in (table for one in tables for table in one.sorted_tables):
            # Names what is missing, and what may not be read.
            connection.execute(select(*table.columns).where(false()))
    except SQLAlchemyError as error:
        raise refused or error from None
    if is_embedded and stored != FORMAT:
        # Each write waits for the disk, and each worker comes by here.
        connection.exec_driver_sql(f"PRAGMA user_version = {FORMAT}")


def _check(where: str, found: int) -> None:
    if found > FORMAT:
        raise StoredByNewer.of(where, found, FORMAT)


def _revision(connection: Connection) -> str | None:
    """What the tables are; None where Alembic has not seen them yet."""
    if not inspect(connection).has_table(_versions.name):
        return None
    return connection.execute(select(_versions.c.version_num)).scalar()


def _numbers(revision: str) -> tuple[int, int]:
    major, _, number = revision.partition("_")
    return int(major), int(number)


def _is_old(revision: str | None) -> bool:
    return revision is None or _numbers(revision) < _numbers(HEAD)


def _migrate(connection: Connection) -> DBAPIError | None:
    """Take the steps.

    Returns:
        That this role may make no table, which is well where all of them are there.
    """
    # Only here: few starts have anything to bring up.
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    if connection.dialect.name == "sqlite":
        command.upgrade(config, "head")
        return None
    try:
        with connection.begin_nested():
            command.upgrade(config, "head")
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _NO_RIGHTS:
            raise
        return error
    return None
