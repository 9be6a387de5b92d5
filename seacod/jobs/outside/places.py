"""Where big recordings of shared batches lie outside the database: a directory that all nodes have,
or an object store. Told by addresses, ROOT/JOB/NUMBER; what there is, `address_book.py` knows.

Blocking, and for as long as such a place hangs: `moving.py` calls it on threads that nobody waits
for. A place has a mark that says whose it is, so that a directory whose file system is not mounted
is not taken for an empty place, nor that of others for ours.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from seacod.errors import NotFound, PlaceUnusable, SeacodError, StorageFull, StoreHasNoRoom
from seacod.system.net.object_store import access
from seacod.system.net.remote_files import RemoteFiles, is_object
from seacod.system.text.masking import remember
from seacod.system.text.words import reason

MARK = ".seacod-recordings"
_CHUNK_BYTES = 1 << 20
# Of a directory, after so much it is seen that what was written is on its disk.
_SYNC_BYTES = 16 << 20
# The parts of an object that are on their way, and the one that is filled (`object_store.py`).
_IN_FLIGHT_BYTES = 24 << 20
# What a place is tried with.
TRIED_BYTES = 64
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_SHUT = (errno.EROFS, errno.EACCES, errno.EPERM)
# Somebody waits for the answer.
_RETRY_SECONDS = 10.0


class Move:
    """A recording on its way, as the thread that moves it and who waits for it see it."""

    def __init__(self) -> None:
        self.is_given_up = False
        # Handed over, and not known to be there yet.
        self.outstanding_bytes = 0
        self._got_on = time.monotonic()

    @property
    def silent_seconds(self) -> float:
        """How long nothing has moved."""
        return time.monotonic() - self._got_on

    def of(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass chunks that are read on, and notice each.

        Raises:
            PlaceUnusable: nobody waits for them any more.
        """
        for chunk in chunks:
            self._got_on = time.monotonic()
            if self.is_given_up:
                raise PlaceUnusable("given up", "已放弃")
            yield chunk
            self._got_on = time.monotonic()

    def sending(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass chunks that are written on, and notice each; raises as `of` does."""
        for chunk in self.of(chunks):
            outstanding_bytes = self.outstanding_bytes + len(chunk)
            self.outstanding_bytes = min(outstanding_bytes, _IN_FLIGHT_BYTES)
            yield chunk

    def is_there(self) -> None:
        """All that was handed over has arrived."""
        self.outstanding_bytes = 0
        self._got_on = time.monotonic()


class RecordingPlaces:
    """Moves recordings between files of this machine and their places.

    Args:
        variables: gives what object stores need (`read_access`); asked at each use.
    """

    def __init__(self, variables: Callable[[], Mapping[str, str]]) -> None:
        self._variables = variables

    def look(self, root: str, identity: str, *, is_marked: bool) -> bool:
        """See that a place is the one that is meant.

        Args:
            root: of the place.
            identity: what its mark has to say.
            is_marked: False where nobody has used it yet, so that it may have no mark.

        Returns:
            Whether it has its mark.

        Raises:
            PlaceUnusable: it cannot be used now, is another one, or somebody else's.
        """
        try:
            found = b"".join(self._chunks(f"{root}/{MARK}")).decode("ascii", "replace").strip()
        except NotFound:
            if is_marked:
                raise PlaceUnusable(
                    f"{root}: its file {MARK} is missing; is the file system not mounted?",
                    f"{root}：缺少 {MARK} 文件，文件系统可能未挂载",
                ) from None
            return False
        if found != identity:
            raise PlaceUnusable(
                f"{root}: holds recordings of another database ({MARK}); give these nodes a place "
                "of their own, or remove that file if nobody uses it any more",
                f"{root}：存有另一数据库的录音（{MARK}）；请为这组节点另设位置，"
                "确认无人使用后可删除该文件",
            )
        return True

    def mark(self, root: str, identity: str) -> None:
        """Give a place its mark.

        Raises:
            PlaceUnusable: it cannot be used now.
            StorageFull: there is no room.
        """
        self._put(f"{root}/{MARK}", (f"{identity}\n".encode(),))

    def send(self, source: Path, address: str, move: Move) -> None:
        """Put a file there, whole or not at all.

        Raises:
            PlaceUnusable: it cannot be used now.
            StorageFull: there is no room.
        """
        with source.open("rb") as file:
            chunks = iter(lambda: file.read(_CHUNK_BYTES), b"")
            self._put(address, move.sending(chunks), move.is_there)

    def bring(self, address: str, target: Path, move: Move) -> None:
        """Copy a recording to a file of this machine, whole or not at all.

        Raises:
            PlaceUnusable: its place cannot be used now.
            NotFound: it is not there.
            OSError: of this machine.
        """
        fresh = target.with_name(f"{target.name}.{secrets.token_hex(4)}.new")
        try:
            with fresh.open("wb") as out:
                for chunk in move.of(self._chunks(address)):
                    out.write(chunk)
            os.replace(fresh, target)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise

    def delete(self, address: str) -> None:
        """See that nothing is there.

        Raises:
            PlaceUnusable: it cannot be used now.
        """
        if is_object(address):
            with _usable(address):
                self._objects().delete(address)
            return
        path = Path(address)
        with _usable(address):
            if not path.parent.parent.is_dir():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            path.unlink(missing_ok=True)
            _part(path).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # there are others
                path.parent.rmdir()

    def try_out(self, root: str, size_bytes: int = TRIED_BYTES, move: Move | None = None) -> None:
        """Write, read and delete something there.

        Args:
            root: of the place.
            size_bytes: how much.
            move: where others see that it gets on.

        Raises:
            PlaceUnusable: it cannot be done.
            StorageFull: there is no room.
        """
        directory = f"{root}/{_check_name()}"
        address = f"{directory}/{os.getpid()}"
        self._clear(directory)
        try:
            self._put_and_compare(root, address, size_bytes, move or Move())
        except BaseException:
            # Why it did not work is told, not that it cannot be deleted either.
            with contextlib.suppress(PlaceUnusable):
                self.delete(address)
            raise
        self.delete(address)

    def _put_and_compare(self, root: str, address: str, size_bytes: int, move: Move) -> None:
        block = secrets.token_bytes(min(size_bytes, _CHUNK_BYTES))
        there, back = hashlib.sha256(), hashlib.sha256()

        def body() -> Iterator[bytes]:
            for begin in range(0, size_bytes, len(block)):
                chunk = block[: size_bytes - begin]
                there.update(chunk)
                yield chunk

        self._put(address, move.sending(body()), move.is_there)
        try:
            for chunk in move.of(self._chunks(address)):
                back.update(chunk)
        except NotFound:
            raise PlaceUnusable(
                f"{root}: what was written there cannot be found", f"{root}：写入的内容读不到"
            ) from None
        if there.digest() != back.digest():
            raise PlaceUnusable(
                f"{root}: what is read there differs from what was written",
                f"{root}：读出的内容与写入的不一致",
            )

    def _clear(self, directory: str) -> None:
        """Delete what processes of this machine left there that died while they tried."""
        with contextlib.suppress(OSError, SeacodError):
            if is_object(directory):
                left = [one.place for one in self._objects().find(f"{directory}/")]
            else:
                left = os.listdir(directory)
            for name in left:
                process = name.partition(".")[0]
                if process.isdecimal() and not Path(f"/proc/{process}").exists():
                    self.delete(f"{directory}/{process}")

    def _put(
        self, address: str, chunks: Iterable[bytes], is_there: Callable[[], None] = lambda: None
    ) -> None:
        if is_object(address):
            with _usable(address):
                self._objects().write_chunks(address, chunks)
        else:
            _write(Path(address), chunks, is_there)

    def _chunks(self, address: str) -> Iterator[bytes]:
        if is_object(address):
            with _usable(address):
                yield from self._objects().chunks(address)
            return
        with _usable(address):
            try:
                file = open(address, "rb")  # noqa: SIM115
            except FileNotFoundError:
                raise NotFound(
                    f"{address}: there is no such file", f"{address}：没有这个文件"
                ) from None
        with file:
            while True:
                with _usable(address):
                    chunk = file.read(_CHUNK_BYTES)
                if not chunk:
                    return
                yield chunk

    def _objects(self) -> RemoteFiles:
        return RemoteFiles(self._variables(), _RETRY_SECONDS)


def read_access(secret: str | None, environment: Mapping[str, str]) -> dict[str, str]:
    """What an object store needs to know.

    Args:
        secret: lines such as AWS_ACCESS_KEY_ID=...; None for none.
        environment: for what they do not say.

    Raises:
        BadRequest: an address in it is none.
    """
    given = dict(environment)
    for line in (secret or "").splitlines():
        name, is_there, value = line.strip().partition("=")
        if is_there and not name.startswith("#"):
            given[name.strip().removeprefix("export ")] = value.strip().strip("\"'")
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        if name in given:
            remember(given[name])
    return access(given)


def _check_name() -> str:
    """The name of what this machine tries places with: one for each user that does."""
    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())
    return f"check-{host}-{os.geteuid()}"


def _write(path: Path, chunks: Iterable[bytes], is_there: Callable[[], None]) -> None:
    """A file in a directory, under its name when it is complete and on the disk.

    Args:
        path: of the file.
        chunks: its content.
        is_there: called when all of them so far are on the disk.
    """
    part = _part(path)
    if path.name == MARK:
        # Several nodes may put it there at once.
        part = path.with_name(f"{MARK}.{secrets.token_hex(4)}.part")
    unsure_bytes = 0
    try:
        with _usable(path):
            # Not the place itself, which may not be mounted.
            if path.name != MARK:
                path.parent.mkdir(exist_ok=True, mode=0o750)
            out = part.open("wb")
        try:
            for chunk in chunks:
                with _usable(path):
                    out.write(chunk)
                    unsure_bytes += len(chunk)
                    if unsure_bytes >= _SYNC_BYTES:
                        out.flush()
                        os.fsync(out.fileno())
                        unsure_bytes = 0
                        is_there()
            with _usable(path):
                out.flush()
                os.fsync(out.fileno())
        finally:
            # Says it again, and with NFS the first time.
            with _usable(path):
                out.close()
        with _usable(path):
            os.replace(part, path)
            directory = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


@contextlib.contextmanager
def _usable(address: object) -> Iterator[None]:
    """What the place says becomes one of our sentences."""
    try:
        yield
    except (NotFound, PlaceUnusable, StorageFull):
        raise
    except OSError as error:
        why, chinese = reason(error)
        if error.errno in _NO_ROOM:
            raise _full(f"{address}: {why}") from None
        if error.errno in _SHUT:
            # As the unit of systemd has it: ProtectSystem=strict.
            why += ", or closed to the service (ReadWritePaths= of its unit)"
            chinese += "，或服务无权访问（服务单元的 ReadWritePaths=）"
        raise PlaceUnusable(f"{address}: {why}", f"{address}：{chinese}") from None
    except SeacodError as error:
        if isinstance(error, StoreHasNoRoom):
            raise _full(error.message) from None
        raise PlaceUnusable(error.message, error.chinese) from None


def _full(why: str) -> StorageFull:
    return StorageFull(
        f"where the recordings of batches are kept, there is no room ({why}); its operator has to "
        "make some",
        "批量任务录音的存放位置空间不足，请联系管理员",
    )
