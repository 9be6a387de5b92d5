"""A backup as a file: what `seacod backup` writes and `seacod restore` reads.

    manifest.json           version, when, format of each database, names of secrets
    configuration/0, 1 ...  the settings and the lists they name, by the paths in the manifest
    state/...               the state directory without models and uploads

A database is copied through SQLite, so that the copy is whole whatever is written meanwhile; what
lies beside it is taken before and, if it is new, after: nothing that it names is missing.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from seacod import __version__
from seacod.config.load import find_file
from seacod.config.schema import SECRETS, Settings
from seacod.config.secrets import find_secret
from seacod.errors import BadRequest, CannotWrite
from seacod.paths import Paths
from seacod.system import sqlite_format
from seacod.system.words import reason

_MANIFEST = "manifest.json"
_FORMAT = 1
_MOST_MANIFEST_BYTES = 1 << 20
# Of the state directory: what can be fetched again, what is on its way, what SQLite makes itself.
_LEFT_OUT = ("models", "uploads", ".cache")
_RECORDINGS = "jobs"
_LEFT_OUT_NAMES = (".owners",)
_OF_SQLITE = ("-wal", "-shm", "-journal")
_ASIDE = "before-restore-"


@dataclass(frozen=True, slots=True)
class Written:
    """What is in a backup: how many files, which databases, and the names of secrets that are
    not."""

    files: int
    databases: tuple[str, ...]
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PutBack:
    """What was put back: the version and time of the backup, where that went which was there, the
    files of the configuration as written, and the names of the secrets that the service had."""

    version: str
    made_at: str
    aside: Path
    configuration: tuple[Path, ...]
    secrets: tuple[str, ...]


def write(
    target: Path, paths: Paths, settings: Settings, config: Path | None, *, has_recordings: bool
) -> Written:
    """Write a backup; the service may run.

    Args:
        target: the file; compressed unless it ends with .tar.
        paths: of the service.
        settings: of the service.
        config: its file; None for the usual one.
        has_recordings: whether the recordings and results of batches are to be in it.

    Raises:
        CannotWrite: it cannot be written, or something cannot be read.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            mode: Any = "w" if target.suffix == ".tar" else "w:gz"
            with tarfile.open(fileobj=out, mode=mode, dereference=True) as archive:
                made = _fill(archive, paths, settings, config, has_recordings=has_recordings)
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, target)
    except (OSError, sqlite3.Error) as error:
        part.unlink(missing_ok=True)
        where = getattr(error, "filename", None) or target
        why, chinese = reason(error)
        raise CannotWrite(
            f"no backup was made: {where}: {why}", f"未生成备份：{where}：{chinese}"
        ) from None
    return made


def _fill(
    archive: tarfile.TarFile, paths: Paths, settings: Settings, config: Path | None, *,
    has_recordings: bool,
) -> Written:  # fmt: skip
    taken: dict[Path, tuple[int, int]] = {}
    _take_files(archive, paths.state, taken, has_recordings=has_recordings)
    formats: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="seacod-backup-") as scratch:
        for file in _databases(paths.state):
            copied = Path(scratch) / "copy"
            sqlite_format.copy(file, copied)
            name = file.relative_to(paths.state).as_posix()
            formats[name] = sqlite_format.version_of(copied)
            archive.add(copied, f"state/{name}", filter=_private)
            copied.unlink()
    _take_files(archive, paths.state, taken, has_recordings=has_recordings)
    kept = _take_configuration(archive, settings, config)
    secrets = tuple(
        credential
        for section, key, credential in SECRETS
        if find_secret(getattr(settings, section), key) is not None
    )
    manifest = {
        "format": _FORMAT,
        "version": __version__,
        "made_at": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "databases": formats,
        "configuration": [str(place) for place in kept],
        "secrets": secrets,
    }
    body = json.dumps(manifest, ensure_ascii=False, indent=1).encode()
    entry = tarfile.TarInfo(_MANIFEST)
    entry.size, entry.mode = len(body), 0o600
    archive.addfile(entry, io.BytesIO(body))
    return Written(len(taken) + len(kept), tuple(formats), secrets)


def _take_files(
    archive: tarfile.TarFile, state: Path, taken: dict[Path, tuple[int, int]], *,
    has_recordings: bool,
) -> None:  # fmt: skip
    """What is no database and was not taken yet as it is; what goes meanwhile is passed over."""
    for file in _files(state):
        name = file.relative_to(state)
        if name.parts[0] == _RECORDINGS and not has_recordings:
            continue
        with contextlib.suppress(FileNotFoundError):
            status = file.stat()
            seen = (status.st_mtime_ns, status.st_size)
            if taken.get(file) == seen or _is_database(file):
                continue
            archive.add(file, f"state/{name.as_posix()}", recursive=False, filter=_private)
            taken[file] = seen


def configured_places(settings: Settings, config: Path | None) -> tuple[Path, ...]:
    """Where the service looks for its configuration: its file, and the lists that this names."""
    named = (find_file(config), settings.asr.hotwords_file, settings.asr.replacements_file)
    return tuple(place.absolute() for place in named if place is not None)


def _take_configuration(
    archive: tarfile.TarFile, settings: Settings, config: Path | None
) -> list[Path]:
    kept: list[Path] = []
    for place in configured_places(settings, config):
        for file in sorted(place.glob("*")) if place.is_dir() else (place,):
            if file.is_file():
                archive.add(file.resolve(), f"configuration/{len(kept)}", filter=_private)
                kept.append(file.absolute())
    return kept


def _files(state: Path) -> Iterator[Path]:
    for top, directories, names in os.walk(state):
        if Path(top) == state:
            directories[:] = [
                one for one in directories if one not in _LEFT_OUT and not one.startswith(_ASIDE)
            ]
        directories[:] = [one for one in directories if one not in _LEFT_OUT_NAMES]
        for name in names:
            file = Path(top) / name
            if not name.endswith(_OF_SQLITE) and file.is_file() and not file.is_symlink():
                yield file


def _databases(state: Path) -> list[Path]:
    return [file for file in _files(state) if _is_database(file)]


def _is_database(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(len(sqlite_format.MAGIC)) == sqlite_format.MAGIC
    except FileNotFoundError:  # the service has deleted it meanwhile
        return False


def _private(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Who has it here is nobody's business elsewhere."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def put_back(source: Path, state: Path, places: Collection[Path]) -> PutBack:
    """Put a backup in place of what there is, which is kept beside it; all of it or nothing.

    Args:
        source: what `write` has written.
        state: the state directory; made if it is missing.
        places: where files of the configuration may be put; others stay in the directory of what
            was there before.

    Raises:
        BadRequest: it is no backup, or one that this version does not know.
        CannotWrite: it cannot be put there.
    """
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    fresh, aside = state / f".restore-{now}", state / f"{_ASIDE}{now}"
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o750)
        fresh.mkdir(mode=0o700)
        try:
            manifest = _unpacked(source, fresh)
            _give_to_owner(fresh, state)
            _swap(fresh / "state", state, aside)
            written = _put_configuration(
                fresh / "configuration", manifest["configuration"], places, aside, state
            )
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        why, chinese = reason(error)
        where = error.filename or state
        raise CannotWrite(f"{where}: {why}", f"{where}：{chinese}") from None
    return PutBack(
        str(manifest["version"]), str(manifest["made_at"]), aside, tuple(written),
        tuple(map(str, manifest["secrets"])),
    )  # fmt: skip


def _unpacked(source: Path, target: Path) -> dict[str, Any]:
    if not source.is_file():
        raise BadRequest(f"{source}: there is no such file", f"{source}：文件不存在")
    try:
        with tarfile.open(source) as archive:
            for entry in archive:
                _unpack(archive, entry, target)
        manifest: dict[str, Any] = json.loads(_bounded(target / _MANIFEST))
        known = manifest["format"] <= _FORMAT
        is_whole = {"version", "made_at", "configuration", "secrets"} <= set(manifest)
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError, FileNotFoundError):
        raise BadRequest(
            f"{source}: is no backup of seacod's", f"{source}：不是 seacod 的备份"
        ) from None
    if not known or not is_whole:
        raise BadRequest(
            f"{source}: was made by a newer seacod ({manifest.get('version')}); use that one",
            f"{source}：由更新版本的 seacod（{manifest.get('version')}）创建，请使用该版本",
        )
    return manifest


def _unpack(archive: tarfile.TarFile, entry: tarfile.TarInfo, target: Path) -> None:
    """A file, within the directory: no links, no devices, nothing elsewhere. Python has this itself
    (PEP 706), but not in all versions that we run with."""
    parts = PurePosixPath(entry.name).parts
    if not entry.isreg() or ".." in parts or entry.name.startswith("/") or not parts:
        raise tarfile.TarError("not a file of a backup")
    place = target.joinpath(*parts)
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    opened = archive.extractfile(entry)
    assert opened is not None
    with opened, place.open("wb") as out:
        shutil.copyfileobj(opened, out)
    place.chmod(entry.mode & 0o740)


def _bounded(file: Path) -> str:
    with file.open("rb") as opened:
        return opened.read(_MOST_MANIFEST_BYTES).decode("utf-8")


def _give_to_owner(top: Path, state: Path) -> None:
    """What root unpacks belongs to the service, like the directory it goes to."""
    if os.geteuid() != 0:
        return
    owner = state.stat()
    for one in (top, *top.rglob("*")):
        os.chown(one, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _swap(fresh: Path, state: Path, aside: Path) -> None:
    """Each thing of the backup in place of its namesake; a database without what SQLite had beside
    the one before."""
    if not fresh.is_dir():
        return
    aside.mkdir(mode=0o700)
    for one in sorted(fresh.iterdir()):
        for name in (one.name, *(f"{one.name}{suffix}" for suffix in _OF_SQLITE)):
            if (state / name).exists():
                os.replace(state / name, aside / name)
        os.replace(one, state / one.name)


def _put_configuration(
    fresh: Path, names: list[Any], places: Collection[Path], aside: Path, state: Path
) -> list[Path]:
    """Where there is none; beside what there is otherwise. The paths are somebody's word: root
    writes only where the service looks."""
    written = []
    for number, place in enumerate(map(Path, map(str, names))):
        source = fresh / str(number)
        if not source.is_file():
            continue
        if not any(one in (place, place.parent) for one in places):
            place = aside / "configuration" / f"{number}-{place.name}"
        if place.exists() and place.read_bytes() == source.read_bytes():
            continue
        target = place.with_name(f"{place.name}.restored") if place.exists() else place
        with contextlib.suppress(OSError):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            target.chmod(0o640)
            if os.geteuid() == 0:
                # The service reads it by its group.
                os.chown(target, 0, state.stat().st_gid)
            written.append(target)
    return written
