"""By how much the wall clock was set, as far as that makes things look older than they are. Whoever
deletes by age, in the supervisor or in a worker, asks: nobody's recordings go because of a clock.

What is noticed lies in a file, since it may be the next process that deletes: an installation is
started while the clock is wrong, or after it was put right. Across a restart of the machine nobody
knows how long it was off; that time makes nothing old, either. In the state directory.

A machine without a clock of its own begins at 1970, or whenever its system was built, until it is
set. What the clock says until then is kept apart: else each boot were a jump of decades, and
nothing were ever old enough. What was stamped meanwhile ages from when it is found (`is_unset`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import structlog

from seacod.system.files import whole_file

log = structlog.get_logger(__name__)

FILE = "clock.json"
# Of the database that several machines share.
DATABASE_FILE = "database_clock.json"
# 2026-11-01: nothing of ours is older, so a clock that says so has not been set yet.
UNSET_BEFORE = 1_793_491_200.0
_UNSET_FILE = "clock-unset.json"
# A clock that is only kept right moves by less between two looks.
_JUMP_SECONDS = 60.0
# So often it is written down that the clock went on.
_WRITE_SECONDS = 3600.0
# A virtual machine may be halted each night.
_KEPT = 400
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class _Known:
    """What was seen of the clock.

    Args:
        boot: of the machine, whose steady clock begins with it.
        ahead: the wall clock less the steady one, in seconds.
        seen_at: Unix seconds.
        jumps: oldest first: when each was, by the clock as it is now, and by how many seconds the
            clock was set forward.
    """

    boot: str
    ahead: float
    seen_at: float
    jumps: tuple[tuple[float, float], ...] = ()


class ClockJumps:
    """
    Args:
        path: what is noticed is kept there; None to keep it in memory only.
        wall: Unix seconds.
        steady: seconds that nobody can set, of this machine since it was started.
        boot: names that start; asked once.
    """

    def __init__(
        self,
        path: Path | None = None,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        boot: Callable[[], str] | None = None,
    ) -> None:
        self._path = path
        self._wall = wall
        self._steady = steady
        self._boot = _boot_id() if boot is None else boot()
        # By whether the clock was set when it was seen.
        self._seen: dict[bool, _Known] = {}

    def look(self) -> None:
        """Notice whether the clock was set; to be called every now and then. Blocking."""
        wall, boot = self._wall(), self._boot
        is_set = _is_set(wall)
        known = self._seen.get(is_set) or self._read(is_set)
        ahead = wall - self._steady()
        if known is None:
            self._keep(_Known(boot, ahead, wall))
            return
        is_restarted = boot != known.boot
        by = wall - known.seen_at if is_restarted else ahead - known.ahead
        if is_restarted or abs(by) > _JUMP_SECONDS:
            # A process beside this one may have written it down already.
            other = self._read(is_set)
            if (
                other is not None
                and boot == other.boot
                and abs(ahead - other.ahead) < _JUMP_SECONDS
            ):
                known = replace(other, seen_at=wall)
            else:
                known = _set(known, by, wall)
            if not is_restarted:
                log.warning("clock_was_set", by_seconds=round(by))
            self._keep(replace(known, boot=boot, ahead=ahead))
        elif not 0 <= wall - known.seen_at < _WRITE_SECONDS or is_set not in self._seen:
            self._keep(replace(known, ahead=ahead, seen_at=wall))

    def looks_older_by(self, seconds: float) -> float:
        """By how many seconds what is no older than that may look older, at most."""
        now = self._wall()
        known = self._seen.get(_is_set(now))
        most = total = 0.0
        for at, by in reversed(known.jumps if known is not None else ()):
            if now - at > seconds:
                break
            total += by
            most = max(most, total)
        return most

    def _keep(self, known: _Known) -> None:
        is_set = _is_set(known.seen_at)
        self._seen[is_set] = known
        path = self._file(is_set)
        if path is None:
            return
        try:
            whole_file.write(path, json.dumps(asdict(known)).encode(), 0o640)
        except OSError as error:
            # It is in memory, and tried again within the hour.
            log.warning("clock_not_kept", path=str(path), error=error.strerror)

    def _file(self, is_set: bool) -> Path | None:
        return self._path if is_set or self._path is None else self._path.with_name(_UNSET_FILE)

    def _read(self, is_set: bool) -> _Known | None:
        path = self._file(is_set)
        if path is None:
            return None
        try:
            found = json.loads(path.read_bytes())
            jumps = tuple((float(at), float(by)) for at, by in found["jumps"])
            return _Known(str(found["boot"]), float(found["ahead"]), float(found["seen_at"]), jumps)
        except (OSError, ValueError, TypeError, KeyError):
            return None


def is_unset(stamp: float, now: float) -> bool:
    """Whether something was stamped before anybody had set the clock, which is set now: how old it
    is nobody knows."""
    return stamp < UNSET_BEFORE <= now


def _is_set(wall: float) -> bool:
    """Whether somebody has set a clock that says so."""
    return wall >= UNSET_BEFORE


def _set(known: _Known, by: float, wall: float) -> _Known:
    """The clock was set by so much; what was before is told by the clock as it is now."""
    before = [(at + by, one) for at, one in known.jumps]
    return replace(known, seen_at=wall, jumps=(*before, (wall, by))[-_KEPT:])


def _boot_id() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""
