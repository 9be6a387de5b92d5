"""Recordings, lists and results that have an address, whatever its scheme.

`s3://` goes through `object_store.py`, every other one (https://, file://, gs://) through fsspec.
Used by archives (the command and, for recordings, its engines). What goes wrong is one sentence.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from seacod.errors import BadRequest, CannotWrite, NotFound
from seacod.system.net.object_store import RETRY_SECONDS, S3
from seacod.system.text.words import reason

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that was found.

    Args:
        place: its path below the address that was asked for.
        url: its own address.
        size_bytes: None when the server does not say.
    """

    place: str
    url: str
    size_bytes: int | None


class Store(Protocol):
    """What one scheme has to be able to do. Each raises `BadRequest` for what cannot be read,
    `CannotWrite` for what cannot be written."""

    def find(self, url: str) -> Iterator[tuple[str, str, int | None]]:
        """The file at an address, or all below it: place, address and size in bytes."""
        ...

    def chunks(self, url: str) -> Iterator[bytes]:
        """The content, in pieces. Raises `NotFound` where there is no such file."""
        ...

    def write(self, url: str, content: bytes) -> None:
        """Put a file there, whole or not at all."""
        ...

    def write_chunks(self, url: str, chunks: Iterable[bytes]) -> None:
        """Write what is too big for the memory, in chunks."""
        ...

    def exists(self, url: str) -> bool: ...

    def delete(self, url: str) -> None:
        """See that there is no such file."""
        ...


class RemoteFiles:
    """All schemes.

    Args:
        access: to object stores, by the names of the variables of AWS (`object_store.access`).
        retry_seconds: how long a store that fails is asked again.
    """

    def __init__(
        self, access: Mapping[str, str] | None = None, retry_seconds: float = RETRY_SECONDS
    ) -> None:
        self._s3 = S3(access or {}, retry_seconds)
        self._others = _Fsspec()

    def find(self, url: str) -> list[RemoteFile]:
        """The file at this address, or all below it.

        Raises:
            BadRequest: nothing can be listed there.
        """
        return [RemoteFile(*one) for one in self._of(url).find(url)]

    def read(self, url: str) -> bytes:
        """The content of a small file.

        Raises:
            NotFound: there is no such file.
            BadRequest: it cannot be read.
        """
        return b"".join(self.chunks(url))

    def chunks(self, url: str) -> Iterator[bytes]:
        """The content of a file in pieces; raises as `read` does."""
        return self._of(url).chunks(url)

    def write(self, url: str, content: bytes) -> None:
        """Put a file there, whole or not at all.

        Raises:
            BadRequest: nobody can write to such an address.
            CannotWrite: it cannot be written there now.
        """
        self._of(url).write(url, content)

    def write_chunks(self, url: str, chunks: Iterable[bytes]) -> None:
        """Put a file there in pieces; it appears whole or not at all. Raises as `write` does."""
        self._of(url).write_chunks(url, chunks)

    def delete(self, url: str) -> None:
        """See that there is no such file; raises as `write` does."""
        self._of(url).delete(url)

    def exists(self, url: str) -> bool:
        """Whether there is such a file; raises as `read` does."""
        return self._of(url).exists(url)

    def _of(self, url: str) -> Store:
        return self._s3 if is_object(url) else self._others


def is_object(url: str) -> bool:
    """Whether it lies in an object store, for which access is needed."""
    return url.startswith("s3://")


def access_of_engines(access: Mapping[str, str], sources: Iterable[str]) -> Mapping[str, str]:
    """What engines are given to read these: nobody who need not have them is given credentials."""
    return access if any(map(is_object, sources)) else {}


class _Fsspec:
    """Everything that fsspec knows, where the package for it is installed."""

    def find(self, url: str) -> Iterator[tuple[str, str, int | None]]:
        files, top = self._at(url)
        try:
            # A web server calls everything a file.
            if not url.endswith("/") and files.isfile(top):
                yield posixpath.basename(top), url, _size(files.info(top))
                return
            inside: dict[str, Any] = files.find(top, detail=True)
        except Exception as error:
            # Each package behind fsspec has errors of its own.
            raise _refused(url, error, "cannot be listed", "无法列出") from None
        for path, info in sorted(inside.items()):
            yield posixpath.relpath(path, top), files.unstrip_protocol(path), _size(info)

    def chunks(self, url: str) -> Iterator[bytes]:
        files, path = self._at(url)
        try:
            with files.open(path, "rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    yield chunk
        except FileNotFoundError:
            raise NotFound(f"{url}: there is no such file", f"{url}：没有这个文件") from None
        except Exception as error:
            raise _refused(url, error, *_CANNOT_BE_READ) from None

    def write(self, url: str, content: bytes) -> None:
        files, path = self._at(url)
        try:
            files.makedirs(posixpath.dirname(path), exist_ok=True)
            files.pipe_file(path, content)
        except NotImplementedError:
            raise BadRequest(
                f"{url}: such an address can only be read", f"{url}：此类地址只能读取"
            ) from None
        except Exception as error:
            raise CannotWrite(
                f"{url}: cannot be written: {error}", f"{url}：无法写入：{reason(error)[1]}"
            ) from None

    def write_chunks(self, url: str, chunks: Iterable[bytes]) -> None:
        raise _not_here(url)

    def delete(self, url: str) -> None:
        raise _not_here(url)

    def exists(self, url: str) -> bool:
        files, path = self._at(url)
        try:
            return bool(files.exists(path))
        except Exception as error:
            raise _refused(url, error, *_CANNOT_BE_READ) from None

    @staticmethod
    def _at(url: str) -> tuple[Any, str]:
        import fsspec

        try:
            files, path = fsspec.core.url_to_fs(url)
        except (ImportError, OSError, ValueError) as error:
            raise BadRequest(f"{url}: {error}", f"{url}：{reason(error)[1]}") from None
        return files, str(path)


_CANNOT_BE_READ = ("cannot be read", "无法读取")


def _not_here(url: str) -> BadRequest:
    return BadRequest(
        f"{url}: only object stores (s3://) can do that", f"{url}：仅对象存储（s3://）支持此操作"
    )


def _refused(url: str, error: Exception, what: str, chinese: str) -> BadRequest:
    return BadRequest(f"{url}: {what}: {error}", f"{url}：{chinese}：{reason(error)[1]}")


def _size(info: dict[str, Any]) -> int | None:
    size = info.get("size")
    return int(size) if size is not None else None
