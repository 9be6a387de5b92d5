"""Acts on what the watch over GPU memory says: log, release the cache, replace the worker, tell.

Called by the sampler with each reading, on the event loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from seacod.accelerators.base import Gpu
from seacod.accelerators.registry import visible
from seacod.supervisor.bus import AlertCleared, AlertRaised, Bus
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.watch.gpu_limits import GpuStep, GpuVerdict, GpuWatch
from seacod.supervisor.watch.gpu_sampler import looks_with

log = structlog.get_logger(__name__)


def name_of(gpu: Gpu) -> str:
    """What alerts call it."""
    return f"GPU {gpu.index}"


@dataclass(frozen=True, slots=True)
class WorkerOnGpu:
    """What the guard has to know of our workers.

    Args:
        device: the device of the worker in front, as PyTorch calls it.
        environment: where it finds which GPUs it sees.
        pids: the pids of all workers.
        reserved_bytes: what the one in front says it holds; it knows even where the driver tells
            nothing of processes (other pid namespaces, WSL), save for the context's own part.
    """

    device: str
    environment: dict[str, str]
    pids: frozenset[int]
    reserved_bytes: int


class WorkersOnGpu(Protocol):
    """The workers on one GPU, and what can be done with them; see `replica_watch.GpuShare`."""

    def look(self) -> WorkerOnGpu: ...

    def release_cache(self) -> None: ...

    def replace_largest(self, cause: str) -> None: ...


class GpuGuard:
    """Watches one GPU, that of one or several workers in front.

    Args:
        settings: the holder of the settings.
        workers: the workers on that GPU.
        bus: takes alerts.
    """

    def __init__(
        self,
        settings: SettingsHolder,
        workers: WorkersOnGpu,
        bus: Bus,
    ) -> None:
        self._settings = settings
        self._workers = workers
        self._bus = bus
        self._watch = GpuWatch(settings.current.gpu)
        self._uuid = ""
        # Whether it was said that all is well: the supervisor before this one may say otherwise.
        self._is_known_calm = False

    def watches(self, gpus: list[Gpu]) -> str | None:
        """What alerts call the GPU that is watched; empty where there is none, None where no
        worker has told yet."""
        worker = self._workers.look()
        if not worker.device:
            return None
        gpu = visible(gpus, worker.device, worker.environment)
        return "" if gpu is None or gpu.is_mig else name_of(gpu)

    @property
    def full_by_others(self) -> frozenset[str]:
        """The GPU, by its uuid, while others keep it nearly full."""
        is_so = self._watch.step is GpuStep.FOREIGN
        return frozenset({self._uuid} if is_so else ())

    def sampled(self, gpus: list[Gpu]) -> None:
        """Judge a reading of all GPUs."""
        over = AlertCleared("gpu_lost", "The GPU answers again.", "GPU 已恢复响应。")
        self._bus.publish(over)
        worker = self._workers.look()
        gpu = visible(gpus, worker.device, worker.environment)
        if gpu is None:
            return
        if gpu.uuid != self._uuid:
            self._uuid, self._watch = gpu.uuid, GpuWatch(self._settings.current.gpu)
            self._is_known_calm = False
        self._watch.settings = self._settings.current.gpu
        verdict = self._watch.look(gpu, _own_bytes(gpu, worker))
        if verdict is not None:
            self._is_known_calm = True
            self._act(verdict)
        elif self._watch.is_surely_calm and not self._is_known_calm:
            self._is_known_calm = True
            self._calm(gpu, "GPU memory is below its limit.", "显存低于上限。")

    def failed(self, problem: str) -> None:
        """The driver does not answer; what it said last is not the present state."""
        english = f"The driver of the GPU does not answer: {problem}. See {looks_with()}."
        chinese = f"GPU 驱动无响应。请查看：{looks_with()}。"
        self._bus.publish(AlertRaised("gpu_lost", english, chinese))

    def _act(self, verdict: GpuVerdict) -> None:
        gpu, own = verdict.gpu, verdict.own_bytes
        _log(verdict)
        key = name_of(gpu)
        english = (
            f"{gpu.used_bytes >> 20} of {gpu.total_bytes >> 20} MiB are in use, the limit is "
            f"{verdict.limit_bytes >> 20} MiB; ours: {'unknown' if own is None else own >> 20} MiB."
        )
        chinese = (
            f"显存已用 {gpu.used_bytes >> 20} / {gpu.total_bytes >> 20} MiB，上限 "
            f"{verdict.limit_bytes >> 20} MiB；其中本服务 "
            f"{'未知' if own is None else own >> 20} MiB。"
        )
        if verdict.step is GpuStep.CALM:
            self._calm(gpu, english, chinese)
        elif verdict.step is GpuStep.FOREIGN:
            english += " This service is not restarted for that."
            chinese += " 不会因此重启本服务。"
            self._bus.publish(AlertRaised("gpu_foreign", english, chinese, key))
        elif verdict.step is GpuStep.RELEASED:
            self._workers.release_cache()
            english += " The worker was asked to release its cache."
            chinese += " 已要求识别进程释放缓存。"
            self._bus.publish(AlertRaised("gpu_memory", english, chinese, key))
        elif verdict.step is GpuStep.REPLACED:
            self._workers.replace_largest("GPU memory over its limit")
            english += " Releasing the cache did not help: the worker is replaced."
            chinese += " 释放缓存无效，正在更换识别进程。"
            self._bus.publish(AlertRaised("gpu_acted", english, chinese, key))

    def _calm(self, gpu: Gpu, english: str, chinese: str) -> None:
        for kind in ("gpu_memory", "gpu_foreign"):
            self._bus.publish(AlertCleared(kind, english, chinese, name_of(gpu)))


class UnusedGpus:
    """Watches the GPUs of a machine whose model is on the processor: others that keep one full may
    be why it is there. Said in log, status, check and metrics; no message goes out for that.

    Args:
        settings: the holder of the settings.
        devices: where the models are, of each worker that has told.
    """

    def __init__(self, settings: SettingsHolder, devices: Callable[[], list[str]]) -> None:
        self._settings = settings
        self._devices = devices
        self._watches: dict[str, GpuWatch] = {}

    @property
    def full_by_others(self) -> frozenset[str]:
        """The UUIDs of GPUs that others have nearly filled."""
        return frozenset(
            uuid for uuid, watch in self._watches.items() if watch.step is GpuStep.FOREIGN
        )

    def sampled(self, gpus: list[Gpu]) -> None:
        """Judge a reading of all GPUs."""
        devices = self._devices()
        if not devices or any(device != "cpu" for device in devices):
            self._watches.clear()
            return
        settings = self._settings.current.gpu
        self._watches = {
            gpu.uuid: self._watches.get(gpu.uuid) or GpuWatch(settings) for gpu in gpus
        }
        for gpu in gpus:
            watch = self._watches[gpu.uuid]
            watch.settings = settings
            # None of it is ours: there is only full and not full.
            if (verdict := watch.look(gpu, 0)) is not None:
                _log(
                    verdict,
                    hint="the model runs on the processor, and nothing of ours uses this GPU",
                )


class LostGpus:
    """Tells of single GPUs that do not answer while others do.

    Args:
        bus: takes alerts.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._told: set[str] = set()
        self._answering: set[str] = set()

    def look(self, gpus: list[Gpu], lost: tuple[str, ...]) -> None:
        """One reading: those that answer, and a sentence for each of the others, which begins with
        its name and a colon."""
        now = {one.partition(":")[0]: one for one in lost}
        answering = set(map(name_of, gpus))
        # The first time also what the supervisor before this one may have told.
        for name in answering - self._answering:
            self._bus.publish(
                AlertCleared("gpu_lost", f"{name} answers again.", f"{name} 已恢复响应。", name)
            )
        for name in set(now) - self._told:
            english = (
                f"{now[name]}. The other GPUs answer, and workers on them go on. See "
                f"{looks_with()}."
            )
            chinese = (
                f"{name} 无响应，其他显卡正常，其上的识别进程继续服务。请查看：{looks_with()}。"
            )
            self._bus.publish(AlertRaised("gpu_lost", english, chinese, name))
        self._told, self._answering = set(now), answering


def _log(verdict: GpuVerdict, **more: str) -> None:
    gpu, own = verdict.gpu, verdict.own_bytes
    say = log.info if verdict.step is GpuStep.CALM else log.warning
    say(
        "gpu_memory_watch",
        step=verdict.step.value,
        gpu=f"{gpu.index} ({gpu.name})",
        used_mib=gpu.used_bytes >> 20,
        total_mib=gpu.total_bytes >> 20,
        limit_mib=verdict.limit_bytes >> 20,
        own_mib=None if own is None else own >> 20,
        **more,
    )


def _own_bytes(gpu: Gpu, worker: WorkerOnGpu) -> int | None:
    """Our bytes by the driver's list of processes, or by the worker's own word where ours are not
    on it."""
    listed = gpu.used_by(worker.pids)
    if listed:
        return listed
    return worker.reserved_bytes or listed
