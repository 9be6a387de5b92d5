"""The releases that install.sh has put beside each other, and what one of them, or a checkout, can
do with what lies on this machine. Used by `upgrade.py` and `rollback.py`; changes nothing but the
link (`switch_to`).
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seacod.config.load import ENV_FILE, find_file, load_settings
from seacod.paths import Paths
from seacod.proving.checks.item import Finding, fail, ok, warn, worst
from seacod.system.files import sqlite_format
from seacod.system.text.words import Words

PREFIX = Path("/opt/seacod")
# Reads a configuration, or imports some modules.
_ASKED_SECONDS = 120.0
# What a program knows of the formats of stored files; one that does not say so knows no versions.
_KNOWN = """
import importlib, json
known = {}
for name, module, attribute in (
    ("jobs", "seacod.jobs.database", "FORMAT"), ("usage", "seacod.usage.ledger", "_UPGRADES")
):
    try:
        value = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError):
        continue
    known[name] = value if isinstance(value, int) else len(value)
print(json.dumps(known))
"""


@dataclass(frozen=True, slots=True)
class Program:
    """A seacod that is not this one.

    Args:
        name: for people.
        python: that runs it.
        directory: of a checkout; None where it is installed for that Python.
    """

    name: str
    python: Path
    directory: Path | None = None

    def ask(self, *words: str, config: Path | None = None) -> tuple[int, str]:
        """Exit code and output of `python WORDS`; -1 when it does not answer."""
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", ENV_FILE)}
        if self.directory is not None:
            environment["PYTHONPATH"] = str(self.directory)
        if config is not None:
            environment[ENV_FILE] = str(config)
        try:
            done = subprocess.run(
                [str(self.python), *words], env=environment, cwd="/", capture_output=True,
                text=True, errors="replace", check=False, timeout=_ASKED_SECONDS,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return -1, str(error)
        return done.returncode, (done.stdout if done.returncode == 0 else done.stderr).strip()


@dataclass(frozen=True, slots=True)
class Release:
    """
    Args:
        path: its directory.
        is_current: whether the service starts from it.
        made_at: Unix seconds.
    """

    path: Path
    is_current: bool
    made_at: float

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def program(self) -> Program:
        return Program(self.name, self.path / "bin" / "python")

    @property
    def keeps_sockets(self) -> bool:
        """Whether it takes its sockets from systemd's store: then a restart refuses nobody."""
        found = self.path.glob("lib/python*/site-packages/seacod/supervisor/systemd/notify.py")
        return any("FDSTORE=1" in file.read_text("utf-8", "replace") for file in found)


def releases() -> list[Release]:
    """The installed releases that are complete, newest first."""
    current = (PREFIX / "venv").resolve()
    found = []
    for path in (PREFIX / "releases").glob("*"):
        if (path / ".complete").exists():
            found.append(Release(path, path.resolve() == current, path.stat().st_mtime))
    return sorted(found, key=lambda one: one.made_at, reverse=True)


def in_use(known: list[Release]) -> Release | None:
    """The one that the service starts from; None where install.sh has put none."""
    return next((one for one in known if one.is_current), None)


def checkout(directory: Path) -> Program | None:
    """The seacod in a checkout, run by this Python with its libraries; None where there is none."""
    init = directory / "seacod" / "__init__.py"
    if not init.is_file() or not (directory / "install.sh").is_file():
        return None
    return Program(str(directory), Path(sys.executable), directory.resolve())


def switch_to(release: Release) -> None:
    """The service starts from this one the next time.

    Raises:
        OSError: the link cannot be written.
    """
    fresh = PREFIX / "venv.new"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(Path("releases") / release.name)
    os.replace(fresh, PREFIX / "venv")


# -- what a program can do with what is here ------------------------------------------------------


def configuration(program: Program, config: Path | None) -> Finding:
    """Whether it can use the present configuration."""
    file = find_file(config)
    if file is None:
        return ok("there is no file: the defaults apply", "没有配置文件：使用默认值")
    code, said = program.ask("-m", "seacod", "config", "check", config=file)
    if code == 0:
        return ok(f"{file}: good for {program.name}", f"{file}：{program.name} 可以使用")
    words = said.splitlines()[-1] if said else f"exit {code}"
    return fail(
        (f"{file}: {program.name} says: {words}", f"{file}：{program.name} 提示：{words}"),
        ("change what is named; the release in use has to take it, too (seacod config check)",
         "请修改所指出的配置，并确认当前版本也能使用（seacod config check）"),
    )  # fmt: skip


def stored(program: Program, config: Path | None) -> Finding:
    """Whether it can use what is stored."""
    code, said = program.ask("-c", _KNOWN)
    try:
        known: dict[str, int] = json.loads(said) if code == 0 else {}
    except ValueError:
        known = {}
    settings = load_settings(config)
    paths = Paths.resolve(settings)
    found = list(_too_new(known, paths))
    if settings.results.database:
        found.append(warn(
            ("the batches in PostgreSQL were not looked at", "未检查 PostgreSQL 中的批量任务"),
            ("seacod check jobs says afterwards", "之后用 seacod check jobs 检查"),
        ))  # fmt: skip
    well: Words = (
        f"{program.name} takes up what is stored in {paths.state}",
        f"{program.name} 可以使用 {paths.state} 中的数据",
    )
    return worst(found, well)


def _too_new(known: dict[str, int], paths: Paths) -> Iterator[Finding]:
    for name, path, judge in (
        ("jobs", paths.jobs / "jobs.db", fail),
        ("usage", paths.usage, warn),
    ):
        try:
            version = sqlite_format.version_of(path)
        except FileNotFoundError:
            continue
        except (OSError, sqlite3.Error) as error:
            yield fail((f"{path}: {error}", f"{path}：{error}"), ("sudo, or restore a backup",
                       "请使用 sudo，或恢复备份"))  # fmt: skip
            continue
        if name in known and version > known[name]:
            yield judge(
                (f"{path}: of format {version}, and it knows {known[name]}",
                 f"{path}：格式为 {version}，而该版本仅支持 {known[name]}"),
                ("restore a backup of that release's time (seacod restore), or stay",
                 "恢复该版本时期的备份（seacod restore），或不要回退"),
            )  # fmt: skip
