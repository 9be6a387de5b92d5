"""What an accelerator is to us.

A module of this package with an `ACCELERATOR` is one: the supervisor reads, watches and hands out
its GPUs, the worker puts the model on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process with memory on a GPU; bytes are None where the driver does not tell (WSL, MIG)."""

    pid: int
    used_bytes: int | None


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU at one moment. None: the card or driver does not tell."""

    vendor: str
    """`Accelerator.name`."""
    index: int
    uuid: str
    name: str
    used_bytes: int
    total_bytes: int
    utilization_ratio: float | None
    temperature_celsius: float | None
    power_watts: float | None
    is_mig: bool
    """It is divided into parts with limits of their own."""
    processes: tuple[GpuProcess, ...] | None

    def used_by(self, pids: frozenset[int]) -> int | None:
        """Bytes of these processes; None when the driver tells of no process' memory."""
        if self.processes is None or any(p.used_bytes is None for p in self.processes):
            return None
        return sum(p.used_bytes or 0 for p in self.processes if p.pid in pids)


class DriverAbsent(Exception):
    """There is no driver of this vendor on this machine."""


class DriverFailed(Exception):
    """The driver is there and does not answer properly; it has to be opened anew."""


class Driver(Protocol):
    """A vendor's library, opened when first needed. Blocking; one thread at a time."""

    lost: tuple[str, ...] = ()
    """Which GPUs did not answer at the last reading, and why, one sentence each."""

    def read(self) -> list[Gpu]:
        """Every GPU of this machine that answers; `lost` has the others.

        Raises:
            DriverAbsent: no driver.
            DriverFailed: it failed, or none of its GPUs answers; the next call opens it anew.
        """
        ...

    def close(self) -> None:
        """Let go of the driver."""
        ...


class Accelerator:
    """One vendor's GPUs. The upper half is the supervisor's, the lower one the worker's."""

    name: str
    """The vendor, as people write it."""
    device: str
    """What PyTorch calls its devices, and asr.device, too."""
    looks_with: str
    """The commands that show an operator how it is."""
    mend_driver: tuple[str, str]
    """What to do when the driver does not answer, in English and Chinese."""
    mend_torch: tuple[str, str]
    """What to do when PyTorch sees no device of it."""
    device_groups: tuple[str, ...]
    """Groups of its device files, as /proc/devices names them: what the unit lets through
    (`DeviceAllow=` of systemd.resource-control(5)). `make generated` writes them into it."""
    lists_with: str
    """A command of the shell that prints a line for each of its GPUs, by which the unit's limits of
    memory count workers. `make generated` writes it into systemd/memory-limits."""
    visibility: str
    """The environment variable that says which GPUs a process sees."""
    worker_environment: Mapping[str, str]
    """What must stand in a worker's environment before it imports PyTorch."""

    def driver(self) -> Driver:
        """The library to read it with, not opened yet."""
        raise NotImplementedError

    def shown(self, gpus: Sequence[Gpu], environment: Mapping[str, str]) -> list[Gpu]:
        """Its GPUs that a process with this environment sees, in the order of its
        devices."""
        raise NotImplementedError

    def environment(self, gpu: Gpu) -> dict[str, str]:
        """What a process finds in its environment that is to see this GPU alone."""
        raise NotImplementedError

    def count(self) -> int:
        """How many devices PyTorch sees; takes no memory on any."""
        raise NotImplementedError

    def hardware(self, device: str) -> str:
        """The model's name of a device."""
        raise NotImplementedError

    def versions(self) -> Mapping[str, str]:
        """What PyTorch was built with for it."""
        raise NotImplementedError

    def free_bytes(self, device: str) -> int:
        """Memory of a device that nobody has."""
        raise NotImplementedError

    def reserved_bytes(self, device: str) -> int:
        """What PyTorch holds on a device, its cache included. Any thread may ask."""
        raise NotImplementedError

    def release_cache(self) -> None:
        """Give cached memory back."""
        raise NotImplementedError

    def out_of_memory(self) -> tuple[type[BaseException], ...]:
        """What is raised when the memory of a device is too small."""
        raise NotImplementedError
