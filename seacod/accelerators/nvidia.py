"""NVIDIA: read through NVML (pynvml, from nvidia-ml-py), computed on through CUDA.

All that is particular to it is here; another vendor is another file beside this one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seacod.accelerators.base import (
    Accelerator,
    Driver,
    DriverAbsent,
    DriverFailed,
    Gpu,
    GpuProcess,
)

_LIBRARY = "libnvidia-ml.so.1"


class Nvidia(Accelerator):
    """Its GPUs, for both sides."""

    name = "NVIDIA"
    device = "cuda"
    looks_with = "nvidia-smi; dmesg | grep Xid"
    mend_driver = (
        "nvidia-smi shows whether the driver works; after an update of the driver: reboot",
        "用 nvidia-smi 检查驱动；更新驱动后请重启机器",
    )
    mend_torch = (
        "PyTorch sees no CUDA: nvidia-smi shows whether the driver works; install again with "
        "SEACOD_TORCH=cuda",
        "PyTorch 未检测到 CUDA：用 nvidia-smi 检查驱动，并以 SEACOD_TORCH=cuda 重新安装",
    )
    device_groups = ("nvidia-frontend", "nvidia", "nvidia-uvm", "nvidia-caps")
    lists_with = "nvidia-smi -L"
    visibility = "CUDA_VISIBLE_DEVICES"
    # Otherwise asking whether there is a GPU would already take memory on it.
    worker_environment: Mapping[str, str] = {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}

    def driver(self) -> Driver:
        return Nvml(self.name)

    def shown(self, gpus: Sequence[Gpu], environment: Mapping[str, str]) -> list[Gpu]:
        """CUDA_VISIBLE_DEVICES has indexes or the beginnings of UUIDs, in order."""
        listed = environment.get(self.visibility)
        if listed is None:
            return list(gpus)
        found = []
        for entry in (part.strip() for part in listed.split(",")):
            one = next((g for g in gpus if entry == str(g.index) or _is_uuid(entry, g.uuid)), None)
            if one is None:
                # CUDA ignores everything from the first wrong entry on.
                break
            found.append(one)
        return found

    def environment(self, gpu: Gpu) -> dict[str, str]:
        # An index would mean what nvidia-smi shows, not what CUDA finds fastest.
        return {self.visibility: gpu.uuid, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}

    def count(self) -> int:
        import torch

        return torch.cuda.device_count() if torch.cuda.is_available() else 0

    def hardware(self, device: str) -> str:
        import torch

        return str(torch.cuda.get_device_name(device))

    def versions(self) -> Mapping[str, str]:
        import torch

        return {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}

    def free_bytes(self, device: str) -> int:
        import torch

        return int(torch.cuda.mem_get_info(device)[0])

    def reserved_bytes(self, device: str) -> int:
        import torch

        return int(torch.cuda.memory_reserved(device))

    def release_cache(self) -> None:
        import torch

        torch.cuda.empty_cache()

    def out_of_memory(self) -> tuple[type[BaseException], ...]:
        import torch

        return (torch.OutOfMemoryError,)


class Nvml(Driver):
    """NVML.

    Args:
        vendor: what its GPUs say they are of.
    """

    def __init__(self, vendor: str) -> None:
        self._vendor = vendor
        self._nvml: Any = None

    def read(self) -> list[Gpu]:
        if self._nvml is None:
            self._nvml = self._open()
        nvml = self._nvml
        try:
            count = nvml.nvmlDeviceGetCount()
        except nvml.NVMLError as error:
            self.close()
            raise DriverFailed(str(error)) from None
        found, lost = [], []
        for index in range(count):
            try:
                found.append(self._gpu(nvml, index))
            except nvml.NVMLError as error:
                lost.append(f"GPU {index}: {error}")
        if lost:
            # One that comes back is seen by a library that was opened since.
            self.close()
        if lost and not found:
            raise DriverFailed("; ".join(dict.fromkeys(lost)))
        self.lost = tuple(lost)
        return found

    def close(self) -> None:
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
            raise DriverAbsent(f"{_LIBRARY} is not there") from error
        import pynvml

        try:
            pynvml.nvmlInit()
        except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_NoPermission) as error:
            raise DriverAbsent(str(error)) from None
        except pynvml.NVMLError as error:
            # Not loaded may mean being reloaded just now.
            raise DriverFailed(str(error)) from None
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
            vendor=self._vendor,
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


def _is_uuid(entry: str, uuid: str) -> bool:
    return entry.startswith("GPU-") and uuid.startswith(entry)


ACCELERATOR = Nvidia()
