"""One GPU of several that does not answer is told by itself; the others are read as before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from seacod.accelerators.base import DriverFailed
from seacod.accelerators.nvidia import Nvml
from seacod.accelerators.registry import visible
from seacod.supervisor.bus import AlertCleared, AlertRaised, Bus
from seacod.supervisor.watch.gpu_guard import LostGpus


class NVMLError(Exception):
    """As pynvml has it."""


class Library:
    """pynvml with GPUs of which some are lost."""

    NVMLError = NVMLError
    NVMLError_NotSupported = NVMLError_NoPermission = NVMLError_FunctionNotFound = KeyError
    NVML_TEMPERATURE_GPU = 0

    def __init__(self, count: int, lost: set[int]) -> None:
        self.count, self.lost, self.shutdowns = count, lost, 0

    def nvmlDeviceGetCount(self) -> int:
        return self.count

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        if index in self.lost:
            raise NVMLError("GPU is lost")
        return index

    def nvmlShutdown(self) -> None:
        self.shutdowns += 1

    def __getattr__(self, name: str) -> Any:
        told = {
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(used=1, total=2),
            "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=50),
            "nvmlDeviceGetTemperature": 40,
            "nvmlDeviceGetPowerUsage": 1000,
            "nvmlDeviceGetMigMode": (0, 0),
            "nvmlDeviceGetComputeRunningProcesses": [],
            "nvmlDeviceGetUUID": "GPU-x",
            "nvmlDeviceGetName": "A GPU",
        }[name]
        return lambda *_: told


def driver(library: Library) -> Nvml:
    one = Nvml("NVIDIA")
    one._nvml = library
    return one


def test_the_others_are_read() -> None:
    library = Library(2, {1})
    one = driver(library)
    assert [gpu.index for gpu in one.read()] == [0]
    assert one.lost == ("GPU 1: GPU is lost",)
    assert library.shutdowns == 1, "one that comes back is seen by a fresh library"


def test_all_that_are_lost_are_a_driver_that_fails() -> None:
    with pytest.raises(DriverFailed, match="GPU 0: GPU is lost"):
        driver(Library(2, {0, 1})).read()


def test_with_all_there_nothing_is_lost() -> None:
    one = driver(Library(2, set()))
    assert len(one.read()) == 2
    assert one.lost == ()


@pytest.mark.parametrize(("device", "index"), [("cuda:0", None), ("cuda:1", 1), ("cuda", None)])
def test_no_other_is_taken_for_one_that_is_lost(device: str, index: int | None) -> None:
    found = visible(driver(Library(2, {0})).read(), device, {})
    assert (found and found.index) == index


def test_each_is_told_when_it_goes_and_when_it_is_back() -> None:
    told: list[AlertRaised | AlertCleared] = []
    bus = Bus()
    bus.subscribe(AlertRaised, told.append)
    bus.subscribe(AlertCleared, told.append)
    lost = LostGpus(bus)
    both = driver(Library(2, set())).read()
    lost.look(both[:1], ())
    # What a supervisor before this one may have told of is over; of one that is not even listed, as
    # after a reboot without it, nobody says that it answers.
    assert [(type(one), one.key) for one in told] == [(AlertCleared, "GPU 0")]
    told.clear()
    for reading in ((), ("GPU 1: GPU is lost",), ("GPU 1: GPU is lost",), (), ()):
        lost.look(both[: 2 - len(reading)], reading)
    assert [(type(one), one.key) for one in told] == [
        (AlertCleared, "GPU 1"),
        (AlertRaised, "GPU 1"),
        (AlertCleared, "GPU 1"),
    ]
