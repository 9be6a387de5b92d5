"""Reads the GPUs through NVML (pynvml, from nvidia-ml-py). Decides nothing.

`Nvml` is the facade over a driver that may not be there; `GpuSampler` is the task that asks it
again and again on a thread of its own, since a sick driver can block for seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import enum
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from seacod.system.waiting import wait_at_most

log = structlog.get_logger(__name__)

_LIBRARY = "libnvidia-ml.so.1"
# NVML that does not answer at all within this time counts as failed; the thread stays behind.
_TIMEOUT_SECONDS = 10.0
_FIRST_RETRY_SECONDS = 5.0
_MAX_RETRY_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process with memory on a GPU; bytes are None where the driver does not tell (WSL, MIG)."""

    pid: int
    used_bytes: int | None


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU at one moment. None: the card or driver does not tell."""

    index: int
    uuid: str
    name: str
    used_bytes: int
    total_bytes: int
    utilization_ratio: float | None
    temperature_celsius: float | None
    power_watts: float | None
    is_mig: bool
    processes: tuple[GpuProcess, ...] | None

    def used_by(self, pids: frozenset[int]) -> int | None:
        """Bytes of these processes; None when the driver tells of no process' memory."""
        if self.processes is None or any(p.used_bytes is None for p in self.processes):
            return None
        return sum(p.used_bytes or 0 for p in self.processes if p.pid in pids)


class NvmlAbsent(Exception):
    """There is no NVIDIA driver on this machine."""


class NvmlFailed(Exception):
    """The driver is there and does not answer properly; it has to be opened anew."""


class Nvml:
    """The driver's library, opened when first needed. Blocking; one thread at a time."""

    def __init__(self) -> None:
        self._nvml: Any = None

    def read(self) -> list[Gpu]:
        """Every GPU of this machine.

        Raises:
            NvmlAbsent: no driver.
            NvmlFailed: it failed; the next call opens it anew.
        """
        if self._nvml is None:
            self._nvml = self._open()
        nvml = self._nvml
        try:
            return [self._gpu(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
        except nvml.NVMLError as error:
            self.close()
            raise NvmlFailed(str(error)) from None

    def close(self) -> None:
        """Let go of the driver."""
        nvml, self._nvml = self._nvml, None
        if nvml is not None:
            try:
                nvml.nvmlShutdown()
            except nvml.NVMLError:
                return

    @staticmethod
    def _open() -> Any:
        try:
            # pynvml takes 10 MB: not where there is nothing to read.
            ctypes.CDLL(_LIBRARY)
        except OSError as error:
            raise NvmlAbsent(f"{_LIBRARY} is not there") from error
        import pynvml

        try:
            pynvml.nvmlInit()
        except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_NoPermission) as error:
            raise NvmlAbsent(str(error)) from None
        except pynvml.NVMLError as error:
            # Not loaded may mean being reloaded just now.
            raise NvmlFailed(str(error)) from None
        return pynvml

    def _gpu(self, nvml: Any, index: int) -> Gpu:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        load = _told(nvml, lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
        heat = _told(nvml, lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))
        power = _told(nvml, lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        mig = _told(nvml, lambda: nvml.nvmlDeviceGetMigMode(handle)[0])
        processes = _told(nvml, lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle))
        return Gpu(
            index=index,
            uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
            name=_text(nvml.nvmlDeviceGetName(handle)),
            used_bytes=int(memory.used),
            total_bytes=int(memory.total),
            utilization_ratio=None if load is None else load.gpu / 100,
            temperature_celsius=None if heat is None else float(heat),
            # NVML counts milliwatts.
            power_watts=None if power is None else power / 1000,
            is_mig=bool(mig),
            processes=None
            if processes is None
            else tuple(GpuProcess(int(p.pid), _bytes(p.usedGpuMemory)) for p in processes),
        )


def _told(nvml: Any, ask: Callable[[], Any]) -> Any:
    """The answer, or None where this card, driver or user cannot have one."""
    try:
        return ask()
    except (
        nvml.NVMLError_NotSupported,
        nvml.NVMLError_NoPermission,
        nvml.NVMLError_FunctionNotFound,
    ):
        return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _bytes(value: int | None) -> int | None:
    # NVML_VALUE_NOT_AVAILABLE is all ones.
    return None if value is None or value >= 2**63 else int(value)


class Nvidia(enum.Enum):
    """What is known of the GPUs."""

    UNKNOWN = "unknown"
    """Not asked yet, or the driver failed: the last figures are not the present ones."""
    ABSENT = "absent"
    READ = "read"


class Heartbeats(Protocol):
    """Where a task shows that it lives."""

    def expect(self, name: str, every_seconds: float) -> None: ...


class GpuSampler:
    """Asks NVML every so often and keeps what it said.

    Args:
        interval_seconds: asked each time round; a reload may change it.
        on_sample: told of each reading, on the event loop.
        on_failure: told when readings begin to fail, in a sentence; not again until one was good.
        heartbeats: where proof of life is shown.
    """

    def __init__(
        self,
        interval_seconds: Callable[[], float],
        *,
        on_sample: Callable[[list[Gpu]], None],
        on_failure: Callable[[str], None],
        heartbeats: Heartbeats,
    ) -> None:
        self.state = Nvidia.UNKNOWN
        self.gpus: list[Gpu] = []
        self.read_at = 0.0
        self._interval_seconds = interval_seconds
        self._on_sample = on_sample
        self._on_failure = on_failure
        self._heartbeats = heartbeats
        self._nvml = Nvml()
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._is_failing = False

    async def run(self) -> None:
        """Sample until cancelled; ends by itself where there is no driver."""
        while True:
            pause = self._interval_seconds()
            try:
                gpus = await asyncio.wait_for(read_soon(self._nvml), _TIMEOUT_SECONDS)
            except NvmlAbsent as error:
                self.state = Nvidia.ABSENT
                log.info("gpu_watch_off", cause=str(error))
                return
            except NvmlFailed as error:
                pause = self._failed(str(error))
            except asyncio.TimeoutError:
                # The thread sits in the driver: it is left behind, with the library it opened.
                self._nvml = Nvml()
                pause = self._failed(f"no answer within {_TIMEOUT_SECONDS:g} s")
            else:
                self._read(gpus)
            self._heartbeats.expect("gpu", pause + _TIMEOUT_SECONDS)
            await wait_at_most(
                pause, lambda: self._retry_seconds if self._is_failing else self._interval_seconds()
            )

    def _read(self, gpus: list[Gpu]) -> None:
        if self._is_failing:
            log.info("gpu_answers_again", gpus=len(gpus))
        elif self.state is Nvidia.UNKNOWN:
            log.info("gpu_watch_on", gpus=[gpu.name for gpu in gpus])
        self._is_failing = False
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self.state, self.gpus, self.read_at = Nvidia.READ, gpus, time.time()
        self._on_sample(gpus)

    def _failed(self, problem: str) -> float:
        """Forget the figures; the pause before the driver is opened anew."""
        self.state, self.gpus = Nvidia.UNKNOWN, []
        if not self._is_failing:
            self._is_failing = True
            log.error("gpu_does_not_answer", error=problem, hint="nvidia-smi; dmesg | grep Xid")
            self._on_failure(problem)
        pause = self._retry_seconds
        self._retry_seconds = min(_MAX_RETRY_SECONDS, self._retry_seconds * 2)
        return pause


def read_soon(nvml: Nvml) -> asyncio.Future[list[Gpu]]:
    """Read on a thread of its own. A daemon: one that never comes back must not keep the service
    from ending. What `Nvml.read` raises is raised by the future."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Gpu]] = loop.create_future()

    def deliver(gpus: list[Gpu] | None, error: Exception | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(gpus or [])

    def read() -> None:
        gpus, failure = None, None
        try:
            gpus = nvml.read()
        except Exception as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: the service has ended
            loop.call_soon_threadsafe(deliver, gpus, failure)

    threading.Thread(target=read, name="seacod-nvml", daemon=True).start()
    return answer


def visible(gpus: list[Gpu], device: str, environment: dict[str, str] | None = None) -> Gpu | None:
    """The GPU that PyTorch calls `device`.

    Args:
        gpus: in the driver's order.
        device: cuda:N, counted among the visible ones; anything else is no GPU.
        environment: where CUDA_VISIBLE_DEVICES (indexes or the beginning of UUIDs, in order) and
            CUDA_DEVICE_ORDER stand; the process's own by default.
    """
    if not device.startswith("cuda"):
        return None
    wanted = int(device.partition(":")[2] or 0)
    usable = chosen(gpus, dict(os.environ) if environment is None else environment)
    return usable[wanted] if wanted < len(usable) else None


def chosen(gpus: list[Gpu], environment: dict[str, str]) -> list[Gpu]:
    """Those that CUDA shows a process with this environment, in its order."""
    listed = environment.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return gpus
    shown = []
    for entry in (part.strip() for part in listed.split(",")):
        found = next((g for g in gpus if entry == str(g.index) or _is_uuid(entry, g.uuid)), None)
        if found is None:
            # CUDA ignores everything from the first wrong entry on.
            break
        shown.append(found)
    return shown


def _is_uuid(entry: str, uuid: str) -> bool:
    return entry.startswith("GPU-") and uuid.startswith(entry)
