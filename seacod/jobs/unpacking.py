"""Archives among the uploads of a batch: each recording in one becomes a file of the batch.

An archive is somebody else's word: names are only shown, sizes are counted while they are read,
and what it holds is bounded before and while it is written. Only what Python decompresses in
bounded memory is (stored and deflate), and never more than some hundred times the archive.
Blocking: call on a thread.
"""

from __future__ import annotations

import errno
import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from seacod.asr.audio import too_big
from seacod.errors import BadRequest, SeacodError, TooBig
from seacod.system.files.free_space import check_room
from seacod.system.text import given_text

# How a zip file with something in it begins (APPNOTE.TXT 4.3.7); no recording does.
# Of one with entries, and of one with none.
_MARKS = (b"PK\x03\x04", b"PK\x05\x06")
_ENCRYPTED = 0x1
_IS_UTF8 = 0x800
_CHUNK_BYTES = 1 << 20
_LOCAL_HEADER_BYTES = 30
_ENTRY_MARK = b"PK\x01\x02"
# bzip2 and LZMA: zipfile decompresses as much as there is at once, a gigabyte from 913 bytes.
_METHODS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflate"}
# The directory of an archive is read at once. For each recording that may come there may be a
# folder, and what macOS puts beside it; so much is an entry with long names at most.
_ENTRIES_A_FILE = 4
_SPARE_ENTRIES = 1_000
_ENTRY_BYTES = 1_024
_BIGGEST_DIRECTORY = 64 << 20
# Speech, even silence as samples, is not packed better; an archive that is says nothing.
_MAX_RATIO = 200
_RATIO_SPARE_BYTES = 64 << 20
# What systems put beside the files somebody packed.
_LITTER = ("__MACOSX", "Thumbs.db", "desktop.ini")
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
        return file.read(4) in _MARKS


class _Unpacking:
    """All archives of one batch."""

    def __init__(self, target: Path, bounds: Bounds) -> None:
        self._target = target
        self._bounds = bounds
        self._unpacked_bytes = 0
        # What their sizes let expect at most.
        self._allowed_bytes = _RATIO_SPARE_BYTES

    def take(self, archive_name: str, path: Path, before: int) -> list[str]:
        """Unpack one archive, numbered after the `before` recordings that are there.

        Returns:
            The names of what was in it.
        """
        names: list[str] = []
        try:
            with path.open("rb") as file, self._opened(archive_name, file) as archive:
                self._allowed_bytes += _MAX_RATIO * path.stat().st_size
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
                    if entry.compress_type not in _METHODS:
                        raise BadRequest(
                            f"{archive_name}: {name} is packed with a method other than deflate; "
                            "pack it again as an ordinary zip",
                            f"{archive_name}：{name} 使用了不支持的压缩方法，请以普通 zip 重新打包",
                        )
                    self._copy(archive, entry, before + len(names) + 1)
                    names.append(name)
        except SeacodError:
            raise
        except Exception as error:
            # zipfile, zlib, lzma, bz2 and codecs each raise what they like, even OSError.
            if isinstance(error, OSError) and error.errno in _OUR_DISK:
                raise
            if not zipfile.is_zipfile(path):
                raise BadRequest(
                    f"{archive_name}: the archive was cut off: its directory, which comes last, is "
                    "missing; send the whole file",
                    f"{archive_name}：压缩包不完整，缺少末尾的目录，请上传完整文件",
                ) from None
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

    def _opened(self, archive_name: str, file: BinaryIO) -> zipfile.ZipFile:
        """Open an archive whose directory is of a size that is read in a moment."""
        most = _ENTRIES_A_FILE * self._bounds.max_files + _SPARE_ENTRIES
        archive = zipfile.ZipFile(_DirectoryGuard(file, archive_name, most))
        _check_apart(archive)
        return archive

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
        if self._unpacked_bytes > self._allowed_bytes:
            raise TooBig(
                f"{name}: the archives unpack to more than {_MAX_RATIO} times their size; no "
                "recordings do, so send the files themselves",
                f"{name}：压缩包解压后超过其大小的 {_MAX_RATIO} 倍，不像是录音；请直接上传文件",
            )
        check_room(self._target, bounds.free_refuse_bytes)


class _DirectoryGuard(io.RawIOBase):
    """The file of an archive as `zipfile` reads it: nothing big at once but its directory, and that
    only with as many entries as there may be.

    Args:
        file: open at its beginning.
        archive_name: for messages.
        most: entries.
    """

    def __init__(self, file: BinaryIO, archive_name: str, most: int) -> None:
        super().__init__()
        self._file = file
        self._archive_name = archive_name
        self._most = most
        self._limit = min(_BIGGEST_DIRECTORY, most * _ENTRY_BYTES)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        if size > self._limit:
            raise self._too_many()
        data = self._file.read(self._limit if size < 0 else size)
        if data.startswith(_ENTRY_MARK) and data.count(_ENTRY_MARK) > self._most:
            raise self._too_many()
        return data

    def _too_many(self) -> BadRequest:
        return BadRequest(
            f"{self._archive_name}: the archive has more than {self._most} entries, or very long "
            "names; send the recordings as several batches",
            f"{self._archive_name}：压缩包中的条目超过 {self._most} 个或名称过长，请分批提交",
        )


def _check_apart(archive: zipfile.ZipFile) -> None:
    """
    Raises:
        BadZipFile: two entries are made of the same bytes, which no program writes.
    """
    end = 0
    for entry in sorted(archive.infolist(), key=lambda one: one.header_offset):
        if entry.header_offset < end:
            raise zipfile.BadZipFile("its entries overlap")
        end = entry.header_offset + _LOCAL_HEADER_BYTES + entry.compress_size


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
    return given_text.name(name)
