"""Which recordings are with each worker's model: written by the worker, read when it has died.

A small file in the runtime directory that all processes map, a page for each slot. Writing is a few
stores, with no call of the kernel: done before each batch, and there however the process ends.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# A recording that was with the model at so many ends of workers by their own fault is refused.
ENDS_ARE_POISON = 2
_PAGE_BYTES = 4096
_COUNT = struct.Struct("=I")
_RECORD = struct.Struct("=32s92s")
_PLACES = (_PAGE_BYTES - _COUNT.size) // _RECORD.size
_LABEL_BYTES = 92


@dataclass(frozen=True, slots=True)
class WithModel:
    """One recording.

    Args:
        digest: SHA-256 of its content, in hexadecimal digits.
        label: what people call it.
    """

    digest: str
    label: str


class ModelTable:
    """The table; each process opens it once.

    Args:
        path: in the runtime directory.
        size: how many slots there are.
        slot: whose page this process writes; None for one that only reads.
    """

    def __init__(self, path: Path, size: int, slot: int | None = None) -> None:
        self._slot = slot
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, size * _PAGE_BYTES)
            self._map = mmap.mmap(descriptor, size * _PAGE_BYTES)
        finally:
            os.close(descriptor)
        if slot is not None:
            self.write(())

    @classmethod
    def fresh(cls, path: Path, size: int) -> ModelTable:
        """Make an empty table in place of what an earlier service has left."""
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        return cls(path, size)

    def remake(self, path: Path) -> None:
        """Go on with an empty table: somebody has removed the file that is mapped."""
        self._map = ModelTable.fresh(path, len(self._map) // _PAGE_BYTES)._map

    def write(self, recordings: Iterable[WithModel]) -> None:
        """These are with the model of this process now; any thread may say so, one at a time."""
        if self._slot is None:
            return
        page, count = self._slot * _PAGE_BYTES, 0
        _COUNT.pack_into(self._map, page, 0)
        for one in recordings:
            if count == _PLACES:
                break
            label = one.label.encode("utf-8", "replace")[:_LABEL_BYTES]
            place = page + _COUNT.size + count * _RECORD.size
            _RECORD.pack_into(self._map, place, bytes.fromhex(one.digest), label)
            count += 1
        _COUNT.pack_into(self._map, page, count)

    def clear(self, slot: str) -> None:
        """The worker in a slot has ended; the next one may end before it writes anything."""
        page = int(slot.removeprefix("worker")) * _PAGE_BYTES
        _COUNT.pack_into(self._map, page, 0)

    def of(self, slot: str) -> list[WithModel]:
        """What is, or was at its end, with the model of the worker in a slot (`worker3`)."""
        page = int(slot.removeprefix("worker")) * _PAGE_BYTES
        (count,) = _COUNT.unpack_from(self._map, page)
        found = []
        for number in range(min(count, _PLACES)):
            place = page + _COUNT.size + number * _RECORD.size
            digest, label = _RECORD.unpack_from(self._map, place)
            found.append(WithModel(digest.hex(), label.rstrip(b"\0").decode("utf-8", "ignore")))
        return found
