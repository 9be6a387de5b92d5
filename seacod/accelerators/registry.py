"""Every accelerator, found by looking into this folder, and what is asked of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import seacod.accelerators as package
from seacod.accelerators.base import Accelerator, Gpu
from seacod.errors import ModelUnavailable
from seacod.system.discovery import declared


@cache
def all_accelerators() -> tuple[Accelerator, ...]:
    """In the order of their files' names."""
    return tuple(declared(package, "ACCELERATOR", Accelerator))


def of_device(device: str) -> Accelerator | None:
    """Whose device this is, with or without a number; None for cpu and auto."""
    kind = device.partition(":")[0]
    return next((one for one in all_accelerators() if one.device == kind), None)


def of_gpu(gpu: Gpu) -> Accelerator:
    """Whose GPU this is."""
    return next(one for one in all_accelerators() if one.name == gpu.vendor)


def meant(device: str) -> tuple[Accelerator, ...]:
    """The vendors that asr.device may mean: the one it names, or all."""
    named = of_device(device)
    return (named,) if named else all_accelerators()


def shown(gpus: Sequence[Gpu], device: str, environment: Mapping[str, str]) -> list[Gpu]:
    """The GPUs that a process sees: those of the first vendor that this device may mean and that
    shows any.

    Args:
        gpus: in the drivers' order.
        device: asr.device, or what PyTorch calls one.
        environment: of the process.
    """
    for one in meant(device) if device != "cpu" else ():
        if found := one.shown([gpu for gpu in gpus if gpu.vendor == one.name], environment):
            return found
    return []


def visible(gpus: Sequence[Gpu], device: str, environment: Mapping[str, str]) -> Gpu | None:
    """The GPU that PyTorch calls `device` in a process with this environment."""
    accelerator = of_device(device)
    if accelerator is None:
        return None
    wanted, usable = _number(device), shown(gpus, device, environment)
    if accelerator.visibility not in environment:
        # By number, not by place: one of them may be lost.
        return next((gpu for gpu in usable if gpu.index == wanted), None)
    return usable[wanted] if wanted < len(usable) else None


def resolve(device: str) -> str:
    """The device that asr.device means here. The worker's: it imports PyTorch.

    Raises:
        ModelUnavailable: one was asked for that PyTorch does not see.
    """
    if device == "auto":
        found = (f"{one.device}:0" for one in all_accelerators() if one.count())
        return next(found, "cpu")
    named = of_device(device)
    if named is None:
        return device
    count, number = named.count(), _number(device)
    if number >= count:
        raise ModelUnavailable(
            f"asr.device: {device} is not there (PyTorch sees {count} GPUs); check "
            f"{named.looks_with}, or set asr.device to auto or cpu",
            f"asr.device：找不到 {device}；请检查 {named.looks_with}，或改为 auto / cpu",
        )
    return f"{named.device}:{number}"


def out_of_memory() -> tuple[type[BaseException], ...]:
    """What is raised when the memory of any device is too small."""
    return tuple(error for one in all_accelerators() for error in one.out_of_memory())


def _number(device: str) -> int:
    return int(device.partition(":")[2] or 0)
