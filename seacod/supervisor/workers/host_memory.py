"""How much host memory is left, and whom the kernel has killed for want of it.

The smaller of what the machine has available and what the unit's cgroup still allows (MemoryMax=,
MemoryHigh=). Reads /proc and /sys only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

MIB = 1024 * 1024
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Cgroup:
    """Where the memory controller keeps this process's figures; version 1 or 2 (cgroups(7))."""

    directory: Path
    version: int

    @classmethod
    def own(cls) -> Cgroup:
        """The cgroup of this process; in a hybrid layout memory belongs to version 1."""
        unified = ""
        try:
            lines = Path("/proc/self/cgroup").read_text("ascii").splitlines()
        except OSError:
            lines = []
        for line in lines:
            _, controllers, path = line.split(":", 2)
            if "memory" in controllers.split(","):
                return cls(_CGROUPS / "memory" / path.lstrip("/"), 1)
            if not controllers:
                unified = path
        return cls(_CGROUPS / unified.lstrip("/"), 2)

    def out_of_memory_kills(self) -> int:
        """Processes of this cgroup the kernel has killed for memory; 0 where it does not count."""
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        try:
            for line in (self.directory / name).read_text("ascii").splitlines():
                key, _, value = line.partition(" ")
                if key == "oom_kill":
                    return int(value)
        except (OSError, ValueError):
            pass
        return 0

    def room_bytes(self) -> int | None:
        """What its limits leave; None without a limit. Page cache counts as free: it goes."""
        if self.version == 1:
            limits = [self._number("memory.limit_in_bytes")]
            used = self._number("memory.usage_in_bytes")
        else:
            limits = [self._number("memory.max"), self._number("memory.high")]
            used = self._number("memory.current")
        # Version 1 writes "no limit" as a number near 2**63.
        known = [limit for limit in limits if limit is not None and limit < 2**60]
        if not known or used is None:
            return None
        return max(0, min(known) - max(0, used - self._cache_bytes()))

    def _cache_bytes(self) -> int:
        key_wanted = "total_inactive_file" if self.version == 1 else "inactive_file"
        try:
            for line in (self.directory / "memory.stat").read_text("ascii").splitlines():
                key, _, value = line.partition(" ")
                if key == key_wanted:
                    return int(value)
        except (OSError, ValueError):
            pass
        return 0

    def _number(self, name: str) -> int | None:
        """A file's number; None where there is no file or it says `max`."""
        try:
            text = (self.directory / name).read_text("ascii").strip()
        except OSError:
            return None
        return int(text) if text.isdigit() else None


def available_bytes() -> int:
    """Host memory that can be had without swapping."""
    machine = int(psutil.virtual_memory().available)
    room = Cgroup.own().room_bytes()
    return machine if room is None else min(machine, room)


def resident_bytes(pid: int) -> int | None:
    """Resident memory of a process; None when it has gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except (psutil.Error, OSError):
        return None
