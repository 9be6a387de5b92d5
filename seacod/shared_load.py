"""What the workers of one service tell each other: how much each has to do.

A small file in the runtime directory that all of them map. Each writes its own line and reads the
others': no lock that a dead worker could keep. A line that is not renewed within `FRESH_SECONDS`
counts for nobody; `SharedLoad.clear` wipes the line of one that has ended. Because two workers may
admit in the same microsecond, a common limit may be passed by one request a worker.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import struct
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

# Of one replica several processes may live: the worker, a replacement, old ones leaving.
SLOTS_A_REPLICA = 16
# Workers renew their line with every beat, once a second.
FRESH_SECONDS = 5.0


@dataclass(slots=True)
class Line:
    """One worker's load.

    Args:
        active: HTTP requests that are being answered.
        inside: requests that were admitted and are not over, jobs not counted.
        outstanding_seconds: padded seconds of audio they still cost.
        speed: padded seconds its model does in a second.
        live: microphones that are open.
    """

    active: float = 0.0
    inside: float = 0.0
    outstanding_seconds: float = 0.0
    speed: float = 0.0
    live: float = 0.0


# When it was written (CLOCK_MONOTONIC, the same for all processes; 0: nobody), then the line.
_RECORD = struct.Struct(f"={1 + len(fields(Line))}d")
_STRIDE_BYTES = 64


class SharedLoad:
    """The table with a line for each worker; each process opens it once.

    Args:
        path: in the runtime directory.
        size: how many slots there are.
        slot: whose line this process writes; None for one that only reads and clears.
    """

    def __init__(self, path: Path, size: int, slot: int | None = None) -> None:
        self._size = size
        self._slot = slot
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, size * _STRIDE_BYTES)
            self._map = mmap.mmap(descriptor, size * _STRIDE_BYTES)
        finally:
            os.close(descriptor)
        self.mine = Line()

    @classmethod
    def fresh(cls, path: Path, size: int) -> SharedLoad:
        """Make an empty table in place of what an earlier service has left."""
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        return cls(path, size)

    def remake(self, path: Path) -> None:
        """Go on with an empty table: somebody has removed the file that is mapped."""
        self._map = SharedLoad.fresh(path, self._size)._map

    def write(self) -> None:
        """Write the line of this worker."""
        if self._slot is not None:
            _RECORD.pack_into(
                self._map, self._slot * _STRIDE_BYTES, time.monotonic(), *astuple(self.mine)
            )

    def clear(self, slot: int) -> None:
        """Wipe the line of a worker that has ended."""
        _RECORD.pack_into(self._map, slot * _STRIDE_BYTES, *[0.0] * (1 + len(fields(Line))))

    def clear_slot(self, name: str) -> None:
        """Clear a slot by its name (`worker3`)."""
        self.clear(int(name.removeprefix("worker")))

    def leave(self) -> None:
        """Clear this worker's own line for good: it accepts no more."""
        slot, self._slot = self._slot, None
        if slot is not None:
            self.clear(slot)

    def others(self) -> list[Line]:
        """The lines of all other workers that accept."""
        return [line for slot, line in self._lines() if slot != self._slot]

    def least_active(self) -> float:
        """The fewest requests that another worker has; infinite when there is no other."""
        return min((line.active for line in self.others()), default=math.inf)

    def _lines(self) -> Iterator[tuple[int, Line]]:
        now = time.monotonic()
        for slot in range(self._size):
            written, *values = _RECORD.unpack_from(self._map, slot * _STRIDE_BYTES)
            if written and now - written < FRESH_SECONDS:
                yield slot, Line(*values)
