"""A backup as a file: what `seacod backup` writes and `seacod restore` reads.

    manifest.json           version, when, format of each database, names of secrets
    configuration/0, 1 ...  the settings and the lists they name, by the paths in the manifest
    state/...               the state directory without models and uploads
    digests.json            SHA-256 of each of them by its name, compared before a restore

A database is copied through SQLite, so that the copy is whole whatever is written meanwhile; what
lies beside it is taken before and, if it is new, after: nothing that it names is missing.
"""

from __future__ import annotations

import contextlib
import datetime
import gzip
import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from seacod import __version__
from seacod.config.load import find_file
from seacod.config.schema import SECRETS, Settings
from seacod.config.secrets import find_secret
from seacod.errors import BadRequest, CannotWrite
from seacod.paths import Paths
from seacod.system.files import sqlite_format, whole_file
from seacod.system.text.words import reason

_MANIFEST = "manifest.json"
_DIGESTS = "digests.json"
_FORMAT = 1
_MOST_MANIFEST_BYTES = 1 << 20
# Some hundred bytes for each file: of a million files.
_MOST_DIGESTS_BYTES = 256 << 20
_CHUNK_BYTES = 1 << 20
# Of the state directory: what can be fetched again, what is on its way, what SQLite makes itself.
_LEFT_OUT = ("models", "uploads", ".cache")
_RECORDINGS = "jobs"
_LEFT_OUT_NAMES = (".owners",)
# SQLite's own files, and the lock of a service that runs (`supervisor/lock.py`).
_LEFT_OUT_ENDS = ("-wal", "-shm", "-journal", ".lock")
_ASIDE = "before-restore-"


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """What is in a backup: how many files, which databases, and the names of secrets that are
    not."""

    files: int
    databases: tuple[str, ...]
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PutBack:
    """What was put back: the version and time of the backup, where that went which was there, the
    files of the configuration as written, the names of the secrets that the service had, and
    whether the backup has digests; older ones have none."""

    version: str
    made_at: str
    aside: Path
    configuration: tuple[Path, ...]
    secrets: tuple[str, ...]
    is_checked: bool


class _Filling:
    """The archive that is being written, and the digest of each file in it."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._digests: dict[str, str] = {}

    def add(self, file: Path, name: str) -> None:
        """A file as it is now. Raises OSError: it cannot be read or written."""
        with file.open("rb") as opened:
            entry = self._archive.gettarinfo(arcname=name, fileobj=opened)
            # Who has it here is nobody's business elsewhere.
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            self._put(entry, opened)

    def add_json(self, told: Any, name: str) -> None:
        body = json.dumps(told, indent=1).encode()
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(body), 0o600
        self._put(entry, io.BytesIO(body))

    def end(self) -> None:
        """Add the digests of all that was added."""
        self.add_json(self._digests, _DIGESTS)

    def _put(self, entry: tarfile.TarInfo, opened: IO[bytes]) -> None:
        reading = _Hashing(opened)
        self._archive.addfile(entry, reading)
        # A file that was taken twice is put back as it was the second time.
        self._digests[entry.name] = reading.digest.hexdigest()


class _Hashing(io.RawIOBase):
    """What is read of a file, hashed."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self.digest.update(piece)
        return piece


def write(
    target: Path, paths: Paths, settings: Settings, config: Path | None, *, has_recordings: bool
) -> BackupSummary:
    """Write a backup; the service may run.

    Args:
        target: the file; compressed unless it ends with .tar.
        paths: of the service.
        settings: of the service.
        config: its file; None for the usual one.
        has_recordings: whether the recordings and results of batches are to be in it.

    Raises:
        BadRequest: the file would be below the state directory.
        CannotWrite: it cannot be written, or something cannot be read.
    """
    if target.resolve().is_relative_to(paths.state.resolve()):
        # The next backup would have this one in it, and the one after that both.
        raise BadRequest(
            f"{target}: is below the state directory, which is what is backed up; name a file "
            "elsewhere, at best on another disk",
            f"{target}：位于被备份的状态目录之内；请指定其他位置的文件，最好在另一块磁盘上",
        )
    part = whole_file.beside(target)
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            mode: Any = "w" if target.suffix == ".tar" else "w:gz"
            with tarfile.open(fileobj=out, mode=mode, dereference=True) as archive:
                filling = _Filling(archive)
                made = _fill(filling, paths, settings, config, has_recordings=has_recordings)
                filling.end()
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, target)
    except (OSError, sqlite3.Error) as error:
        part.unlink(missing_ok=True)
        where = getattr(error, "filename", None) or target
        if str(where) == str(part):
            where = target
        why, chinese = reason(error)
        raise CannotWrite(
            f"no backup was made: {where}: {why}", f"未生成备份：{where}：{chinese}"
        ) from None
    return made


def _fill(
    archive: _Filling, paths: Paths, settings: Settings, config: Path | None, *,
    has_recordings: bool,
) -> BackupSummary:  # fmt: skip
    taken: dict[Path, tuple[int, int]] = {}
    _take_files(archive, paths.state, taken, has_recordings=has_recordings)
    formats: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="seacod-backup-") as scratch:
        for file in _databases(paths.state):
            copied = Path(scratch) / "copy"
            try:
                sqlite_format.copy(file, copied)
            except sqlite3.Error as error:
                why, chinese = reason(error)
                raise CannotWrite(
                    f"no backup was made: {file} cannot be copied to {scratch}: {why}",
                    f"未生成备份：无法将 {file} 复制到 {scratch}：{chinese}",
                ) from None
            name = file.relative_to(paths.state).as_posix()
            formats[name] = sqlite_format.version_of(copied)
            archive.add(copied, f"state/{name}")
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
        "configuration": [str(path) for path in kept],
        "secrets": secrets,
        "has_digests": True,
    }
    archive.add_json(manifest, _MANIFEST)
    return BackupSummary(len(taken) + len(kept), tuple(formats), secrets)


def _take_files(
    archive: _Filling, state: Path, taken: dict[Path, tuple[int, int]], *,
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
            archive.add(file, f"state/{name.as_posix()}")
            taken[file] = seen


def configured_places(settings: Settings, config: Path | None) -> tuple[Path, ...]:
    """Where the service looks for its configuration: its file, and the lists that this names."""
    named = (find_file(config), settings.asr.hotwords_file, settings.asr.replacements_file)
    return tuple(path.absolute() for path in named if path is not None)


def _take_configuration(archive: _Filling, settings: Settings, config: Path | None) -> list[Path]:
    kept: list[Path] = []
    for path in configured_places(settings, config):
        for file in sorted(path.glob("*")) if path.is_dir() else (path,):
            if file.is_file():
                archive.add(file, f"configuration/{len(kept)}")
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
            if not name.endswith(_LEFT_OUT_ENDS) and file.is_file() and not file.is_symlink():
                yield file


def _databases(state: Path) -> list[Path]:
    return [file for file in _files(state) if _is_database(file)]


def _is_database(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(len(sqlite_format.MAGIC)) == sqlite_format.MAGIC
    except FileNotFoundError:  # the service has deleted it meanwhile
        return False


def put_back(source: Path, state: Path, places: Collection[Path]) -> PutBack:
    """Put a backup in place of what there is, which is kept beside it; all of it or nothing.

    Args:
        source: what `write` has written.
        state: the state directory; made if it is missing.
        places: where files of the configuration may be put; others stay in the directory of what
            was there before.

    Raises:
        BadRequest: it is no backup, a damaged one, or one that this version does not know.
        CannotWrite: it cannot be put there; what was there is where it was.
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
        tuple(map(str, manifest["secrets"])), is_checked="has_digests" in manifest,
    )  # fmt: skip


def _unpacked(source: Path, target: Path) -> dict[str, Any]:
    if not source.is_file():
        raise BadRequest(f"{source}: there is no such file", f"{source}：文件不存在")
    found: dict[str, str] = {}
    try:
        with tarfile.open(source) as archive:
            for entry in archive:
                found[entry.name] = _unpack(archive, entry, target)
            # The end of a tar file comes before the checksum of what it is compressed with.
            while archive.fileobj is not None and archive.fileobj.read(_CHUNK_BYTES):
                pass
        manifest: dict[str, Any] = json.loads(_bounded(target / _MANIFEST, _MOST_MANIFEST_BYTES))
        known = manifest["format"] <= _FORMAT
        is_whole = {"version", "made_at", "configuration", "secrets"} <= set(manifest)
        if "has_digests" in manifest or _DIGESTS in found:
            _compare(source, json.loads(_bounded(target / _DIGESTS, _MOST_DIGESTS_BYTES)), found)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise _damaged(source, str(error)) from None
    except (tarfile.TarError, ValueError, KeyError, TypeError, FileNotFoundError):
        raise BadRequest(
            f"{source}: is not a backup made by seacod, or a damaged one",
            f"{source}：不是 seacod 的备份，或已损坏",
        ) from None
    if not known or not is_whole:
        raise BadRequest(
            f"{source}: was made by a newer seacod ({manifest.get('version')}); use that one",
            f"{source}：由更新版本的 seacod（{manifest.get('version')}）创建，请使用该版本",
        )
    return manifest


def _compare(source: Path, digests: dict[str, str], found: dict[str, str]) -> None:
    """See that the files of a backup are those that were written into it, and all of them."""
    found = {name: digest for name, digest in found.items() if name != _DIGESTS}
    if wrong := sorted(name for name in {*digests, *found} if digests.get(name) != found.get(name)):
        raise _damaged(source, f"{wrong[0]} ({len(wrong)})")


def _damaged(source: Path, where: str) -> BadRequest:
    return BadRequest(
        f"{source}: is damaged: {where}; nothing was put back, use another backup",
        f"{source}：已损坏：{where}；未恢复任何内容，请使用其他备份",
    )


def _unpack(archive: tarfile.TarFile, entry: tarfile.TarInfo, target: Path) -> str:
    """A file, within the directory: no links, no devices, nothing elsewhere. Python has this itself
    (PEP 706), but not in all versions that we run with.

    Returns:
        The SHA-256 of what is in it.
    """
    parts = PurePosixPath(entry.name).parts
    if not entry.isreg() or ".." in parts or entry.name.startswith("/") or not parts:
        raise tarfile.TarError("not a file of a backup")
    path = target.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    opened = archive.extractfile(entry)
    assert opened is not None
    digest = hashlib.sha256()
    with opened, path.open("wb") as out:
        while piece := opened.read(_CHUNK_BYTES):
            digest.update(piece)
            out.write(piece)
    path.chmod(entry.mode & 0o740)
    return digest.hexdigest()


def _bounded(file: Path, limit_bytes: int) -> str:
    with file.open("rb") as opened:
        return opened.read(limit_bytes).decode("utf-8")


def _give_to_owner(top: Path, state: Path) -> None:
    """What root unpacks belongs to the service, like the directory it goes to."""
    if os.geteuid() != 0:
        return
    owner = state.stat()
    for one in (top, *top.rglob("*")):
        os.chown(one, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _swap(fresh: Path, state: Path, aside: Path) -> None:
    """Each thing of the backup in place of its namesake, or, where one cannot be moved, everything
    where it was; a database without what SQLite had beside the one before."""
    if not fresh.is_dir():
        return
    aside.mkdir(mode=0o700)
    moved: list[tuple[Path, Path]] = []

    def move(source: Path, target: Path) -> None:
        os.replace(source, target)
        moved.append((source, target))

    try:
        for one in sorted(fresh.iterdir()):
            for name in (one.name, *(f"{one.name}{suffix}" for suffix in _LEFT_OUT_ENDS)):
                if (state / name).exists():
                    move(state / name, aside / name)
            move(one, state / one.name)
    except OSError as error:
        _move_back(moved, aside, error)
        raise


def _move_back(moved: list[tuple[Path, Path]], aside: Path, cause: OSError) -> None:
    """Undo a half restore; raises CannotWrite where that fails, too, and says where things are."""
    try:
        for source, target in reversed(moved):
            os.replace(target, source)
        aside.rmdir()
    except OSError as error:
        why, chinese = reason(cause)
        raise CannotWrite(
            f"{cause.filename}: {why}; and {error.filename} could not be moved back: what was "
            f"there is in {aside}",
            f"{cause.filename}：{chinese}；{error.filename} 也无法移回：原有内容在 {aside}",
        ) from None


def _put_configuration(
    fresh: Path, names: list[Any], places: Collection[Path], aside: Path, state: Path
) -> list[Path]:
    """Where there is none; beside what there is otherwise. The paths are somebody's word: root
    writes only where the service looks."""
    written = []
    for number, path in enumerate(map(Path, map(str, names))):
        source = fresh / str(number)
        if not source.is_file():
            continue
        if not any(one in (path, path.parent) for one in places):
            path = aside / "configuration" / f"{number}-{path.name}"
        with contextlib.suppress(OSError):
            if path.exists() and path.read_bytes() == source.read_bytes():
                continue
            target = path.with_name(f"{path.name}.restored") if path.exists() else path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            target.chmod(0o640)
            if os.geteuid() == 0:
                # The service reads it by its group.
                os.chown(target, 0, state.stat().st_gid)
            written.append(target)
    return written
