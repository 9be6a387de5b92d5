"""Archives among the uploads of a batch: each recording in one becomes a file of the batch.

An archive is somebody else's word: names are only shown, sizes are counted while they are read,
and what it holds is bounded before and while it is written. Blocking: call on a thread.
"""

from __future__ import annotations

import errno
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from seacod.asr.audio import too_big
from seacod.errors import BadRequest, SeacodError, StorageFull, TooBig
from seacod.paths import free_bytes

# How a zip file with something in it begins (APPNOTE.TXT 4.3.7); no recording does.
_MARK = b"PK\x03\x04"
_ENCRYPTED = 0x1
_IS_UTF8 = 0x800
_CHUNK_BYTES = 1 << 20
# What systems put beside the files somebody packed.
_LITTER = ("__MACOSX", "Thumbs.db", "desktop.ini")
_NAME_LENGTH = 255
# What is no fault of an archive's.
_OUR_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a batch may grow to.

    Args:
        max_files: recordings, with those from archives.
        max_file_bytes: size of one recording.
        max_unpacked_bytes: size of all recordings from archives together.
        free_refuse_bytes: so much stays free on the disk; 0 for no such limit.
    """

    max_files: int
    max_file_bytes: int
    max_unpacked_bytes: int
    free_refuse_bytes: int


def unpack(directory: Path, uploads: Iterable[tuple[str, Path]], bounds: Bounds) -> list[str]:
    """Put the recordings of all uploads into `directory` as 0001, 0002 and so on.

    Args:
        directory: where the uploads lie, too.
        uploads: the name people gave to each, and its file.
        bounds: the limits of the batch.

    Returns:
        The name of each recording.

    Raises:
        BadRequest: an archive cannot be read, is empty or encrypted, or has too many files.
        TooBig: a file in it, or all of them.
        StorageFull: the disk has no room for them.
    """
    fresh = directory / "unpacked"
    fresh.mkdir()
    names: list[str] = []
    packing = _Unpacking(fresh, bounds)
    for name, path in uploads:
        if _is_archive(path):
            names += packing.take(name, path, len(names))
            path.unlink()
        else:
            path.rename(fresh / f"{len(names) + 1:04}")
            names.append(name)
    for path in sorted(fresh.iterdir()):
        path.rename(directory / path.name)
    fresh.rmdir()
    return names


def _is_archive(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_MARK)) == _MARK


class _Unpacking:
    """All archives of one batch."""

    def __init__(self, target: Path, bounds: Bounds) -> None:
        self._target = target
        self._bounds = bounds
        self._unpacked_bytes = 0

    def take(self, archive_name: str, path: Path, before: int) -> list[str]:
        """Unpack one archive, numbered after the `before` recordings that are there.

        Returns:
            The names of what was in it.
        """
        names: list[str] = []
        try:
            with zipfile.ZipFile(path) as archive:
                for entry in _recordings(archive):
                    name = _name(entry)
                    if before + len(names) >= self._bounds.max_files:
                        raise BadRequest(
                            f"{archive_name}: with it there are more than {self._bounds.max_files} "
                            "files, which is the limit; send them as several batches",
                            f"{archive_name}：文件总数超过 {self._bounds.max_files} 个的上限，"
                            "请分批提交",
                        )
                    if entry.flag_bits & _ENCRYPTED:
                        raise BadRequest(
                            f"{archive_name}: {name} is encrypted; pack it without a password",
                            f"{archive_name}：{name} 已加密，请去掉密码后重新打包",
                        )
                    self._copy(archive, entry, before + len(names) + 1)
                    names.append(name)
        except SeacodError:
            raise
        except Exception as error:
            # zipfile, zlib, lzma, bz2 and codecs each raise what they like, even OSError.
            if isinstance(error, OSError) and error.errno in _OUR_DISK:
                raise
            raise BadRequest(
                f"{archive_name}: the archive cannot be read ({error}); pack it again as zip",
                f"{archive_name}：压缩包无法读取，请重新打包为 zip",
            ) from None
        if not names:
            raise BadRequest(
                f"{archive_name}: there is no file in this archive",
                f"{archive_name}：压缩包中没有文件",
            )
        return names

    def _copy(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, number: int) -> None:
        size = 0
        with archive.open(entry) as source, (self._target / f"{number:04}").open("xb") as target:
            while chunk := source.read(_CHUNK_BYTES):
                size += len(chunk)
                self._unpacked_bytes += len(chunk)
                self._check(_name(entry), size)
                target.write(chunk)

    def _check(self, name: str, size: int) -> None:
        bounds = self._bounds
        if size > bounds.max_file_bytes:
            plain = too_big(bounds.max_file_bytes)
            raise TooBig(f"{name}: {plain.message}", f"{name}：{plain.chinese}")
        if self._unpacked_bytes > bounds.max_unpacked_bytes:
            limit = bounds.max_unpacked_bytes >> 20
            raise TooBig(
                f"unpacked, the archives hold more than {limit} MiB, which is the limit; send them "
                "as several batches",
                f"压缩包解压后超过 {limit} MiB 的上限，请分批提交",
            )
        if not bounds.free_refuse_bytes:
            return
        free = free_bytes(self._target)
        if free is not None and free < bounds.free_refuse_bytes:
            raise StorageFull(
                f"the server has only {free >> 20} MiB left, too little for these archives; its "
                "operator has to make room on the disk",
                f"服务器仅剩 {free >> 20} MiB 磁盘空间，无法解压，请联系管理员",
            )


def _recordings(archive: zipfile.ZipFile) -> Iterator[zipfile.ZipInfo]:
    for entry in archive.infolist():
        parts = PurePosixPath(_name(entry)).parts
        hidden = [part for part in parts if part.startswith(".") and part not in (".", "..")]
        is_litter = bool(hidden) or any(part in _LITTER for part in parts)
        if not entry.is_dir() and not is_litter:
            yield entry


def _name(entry: zipfile.ZipInfo) -> str:
    """The name as it was typed. Without the mark for UTF-8 the standard says code page 437; macOS
    writes UTF-8 all the same, and Windows in China GBK."""
    name = entry.filename
    if not entry.flag_bits & _IS_UTF8:
        try:
            raw = name.encode("cp437")
        except UnicodeEncodeError:
            raw = b""
        for encoding in ("utf-8", "gb18030"):
            try:
                name = raw.decode(encoding) or name
                break
            except UnicodeDecodeError:
                continue
    return name[-_NAME_LENGTH:]
