"""Item: batches are kept where they are to be, and what keeps them does what a node needs of it."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from seacod.config.results import ResultSettings
from seacod.config.secrets import read_secret
from seacod.errors import ConfigError, SeacodError, StoredByNewer
from seacod.proving import systemd
from seacod.proving.checks.context import CheckContext
from seacod.proving.checks.item import Finding, Unseen, fail, ok
from seacod.system.net.remote_files import is_object
from seacod.system.text.words import Words, reason

if TYPE_CHECKING:
    from sqlalchemy import Engine

_NEWER: Words = (
    "docs/install.md, To go back, or seacod runbook jobs",
    "见 docs/zh/install.md“回退”一节，或 seacod runbook jobs",
)
_CONFIG: Words = ("seacod config check", "运行 seacod config check")
# More than PostgreSQL or SQLite waits for a connection or a lock.
_SILENT_SECONDS = 35.0
_FILE: Words = (
    "journalctl -u seacod -g jobs; a backup comes back with seacod restore",
    "查看 journalctl -u seacod -g jobs；备份可用 seacod restore 恢复",
)
_DATABASE: Words = (
    "psql with the address of results.database shows whether it answers and takes the password "
    "(/etc/credstore/seacod.database-password)",
    "用 psql 连接 results.database 的地址检查数据库与密码"
    "（/etc/credstore/seacod.database-password）",
)
_PLACE: Words = (
    "it has to be there, and writable, on every node (findmnt, touch); of an object store "
    "/etc/credstore/seacod.recordings-access has the credentials (docs/scale.md)",
    "每个节点上都必须能够访问并写入该位置（findmnt、touch）；对象存储的凭据写在 "
    "/etc/credstore/seacod.recordings-access（见 docs/zh/scale.md）",
)


def jobs(context: CheckContext) -> Finding:
    """Batches are kept where they are to be."""
    if (refused := context.config_error) is not None and not context.is_config_closed:
        raise Unseen(
            (f"not looked at: the configuration is refused, so nobody knows where batches are to "
             f"be kept ({refused.message})",
             f"未检查：配置无效，无法得知批量任务保存在哪里（{refused.chinese}）"), _CONFIG,
        )  # fmt: skip
    results = context.settings.results
    jobs = context.paths.jobs
    return _shared(results, jobs.parent) if results.database else _embedded(jobs)


def _shared(results: ResultSettings, state: Path) -> Finding:
    """The database of several machines."""
    # Only here: the command itself needs no database.
    from seacod.jobs.database import postgresql
    from seacod.jobs.schema import try_out

    where = results.database.rpartition("@")[2]
    try:
        password = read_secret(results, "database_password_file")
        database = postgresql(results.database, password)
    except ConfigError as error:
        return fail((error.message, error.chinese), _DATABASE)
    problem = _tried(lambda: try_out(database, where), where, _DATABASE, database)
    if problem is not None:
        return problem
    root = results.recordings
    if not root:
        return ok(f"batches are shared through {where}", f"批量任务通过 {where} 共享")
    problem = _tried(lambda: _try_place(results, database), root, _PLACE, database)
    if (problem := problem or _closed(root, state)) is not None:
        return problem
    return ok(
        f"batches are shared through {where}, big recordings lie at {root}",
        f"批量任务通过 {where} 共享，大录音存放在 {root}",
    )


def _closed(root: str, state: Path) -> Finding | None:
    """What was tried here, the service may not do: its unit leaves it few directories."""
    if is_object(root) or systemd.shown("LoadState") != "loaded":
        return None
    if systemd.shown("ProtectSystem") != "strict":
        return None
    given = systemd.shown("ReadWritePaths").split()
    for one in (state, *(Path(path.lstrip("-+")) for path in given)):
        if one == Path(root) or one in Path(root).parents:
            return None
    return fail(
        (f"{root}: closed to the service, ReadWritePaths= of its unit does not name it",
         f"{root}：服务无权写入，服务单元的 ReadWritePaths= 中没有该目录"),
        (f"systemctl edit seacod: [Service] and ReadWritePaths={root}; then systemctl restart "
         "seacod",
         f"执行 systemctl edit seacod，写入 [Service] 与 ReadWritePaths={root}，然后 systemctl "
         "restart seacod"),
    )  # fmt: skip


def _try_place(results: ResultSettings, database: Engine) -> None:
    """Write, read and delete something where recordings are to lie, and look whose it is."""
    from sqlalchemy import inspect

    from seacod.jobs.address_book import identity
    from seacod.jobs.database import places as known_places
    from seacod.jobs.outside.places import RecordingPlaces, read_access

    def variables() -> dict[str, str]:
        return read_access(read_secret(results, "recordings_access_file"), os.environ)

    places, root = RecordingPlaces(variables), results.recordings
    with database.begin() as connection:
        # Before the first start there is no such table.
        is_made = inspect(connection).has_table(known_places.name)
        known, is_marked = identity(connection, root) if is_made else ("", False)
    places.look(root, known, is_marked=is_marked)
    places.try_out(root)


def _embedded(directory: Path) -> Finding:
    """The database of this machine alone."""
    from seacod.jobs.database import sqlite
    from seacod.jobs.opening import FILE
    from seacod.jobs.schema import file_problem, try_out

    file = directory / FILE
    here = ok("batches are kept on this machine (SQLite)", "批量任务保存在本机（SQLite）")
    try:
        problem = file_problem(file)
        if not file.exists():
            return here
        found, above = file.stat(), directory.stat()
    except PermissionError:
        # Of who looks; `seacod check` says so.
        raise
    except (OSError, sqlite3.Error) as error:
        return fail((f"{file}: {error}", f"{file}：{reason(error)[1]}"), _FILE)
    if problem is not None:
        return fail((problem.message, problem.chinese), _NEWER)
    if found.st_uid != above.st_uid or not found.st_mode & stat.S_IWUSR:
        return fail(
            (f"{file}: the service may not write to it", f"{file}：服务无权写入"),
            (f"chown --reference={directory} {file}*; chmod 640 {file}*",) * 2,
        )
    if os.geteuid() not in (0, found.st_uid):
        return here
    database = sqlite(file)
    where = file.as_posix()
    return _tried(lambda: try_out(database, where), where, _FILE, database) or here


def _tried(act: Callable[[], None], where: str, mend: Words, database: Engine) -> Finding | None:
    """What is wrong with a database, or a place of recordings, after everything was done that a
    node does with it."""
    from sqlalchemy.exc import SQLAlchemyError

    from seacod.jobs.database import said
    from seacod.jobs.schema import advice

    caught: list[Exception | None] = []

    def tried() -> None:
        try:
            act()
            caught.append(None)
        except Exception as error:
            caught.append(error)
        finally:
            database.dispose()

    # One that freezes in the middle answers nobody, ever.
    asking = threading.Thread(target=tried, name="seacod-check-jobs", daemon=True)
    asking.start()
    asking.join(_SILENT_SECONDS)
    error = caught[0] if caught else TimeoutError(f"no answer in {_SILENT_SECONDS:g} s")
    if error is None:
        return None
    if isinstance(error, SeacodError):
        mend = _NEWER if isinstance(error, StoredByNewer) else mend
        return fail((error.message, error.chinese), mend)
    known = advice(error) if isinstance(error, SQLAlchemyError) else None
    chinese = reason(getattr(error, "orig", None) or error)[1]
    # What PostgreSQL says, it says in the language of its server.
    quoted = f"数据库报错：{said(error)}" if chinese == type(error).__name__ else chinese
    return fail((f"{where}: {said(error)}", f"{where}：{quoted}"), known or mend)


ITEMS = (jobs,)
