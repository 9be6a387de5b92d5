"""Steps of `seacod bench gpu`: each says what it found, or why it was skipped. They know the
device only by name, so that all that needs no GPU runs on the CPU, too."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil

from seacod.accelerators.base import DriverAbsent, DriverFailed, Gpu
from seacod.accelerators.reading import Drivers
from seacod.errors import SeacodError
from seacod.models.examples import EXAMPLES, examples
from seacod.proving import sounds
from seacod.proving.load import ClientLoad
from seacod.proving.processor import own_bytes
from seacod.proving.service import PrivateService, private_service
from seacod.system.processes.interpreter import python
from seacod.system.text.words import Words

Facts = dict[str, Any]
_RECORDING = EXAMPLES / examples()[0]["file"]
_KILLS = 3
_POLL_SECONDS = 0.01
# What a neighbour leaves: less than big batches need, and less than anything needs.
_TIGHT_BYTES, _NOTHING_BYTES = 512 << 20, 16 << 20
_LOAD_SECONDS = 20.0


class Skipped(Exception):
    """What a step needs is not here; why, in both languages."""

    def __init__(self, english: str, chinese: str) -> None:
        super().__init__(english)
        self.words: Words = (english, chinese)


@dataclass(frozen=True, slots=True)
class Bench:
    """What all steps are for.

    Args:
        model: asr.model.
        punctuation: asr.punctuation_model.
        device: as PyTorch calls it.
    """

    model: str
    punctuation: str
    device: str

    @property
    def is_gpu(self) -> bool:
        return self.device != "cpu"

    @property
    def asr(self) -> dict[str, object]:
        return {"device": self.device, "punctuation_model": self.punctuation}

    def need_gpu(self) -> None:
        """
        Raises:
            Skipped: there is none.
        """
        if not self.is_gpu:
            raise Skipped("there is no GPU that PyTorch sees", "PyTorch 未发现 GPU")


@dataclass(frozen=True, slots=True)
class Step:
    """`seconds` is what it may take at most."""

    name: str
    title: Words
    seconds: float
    run: Callable[[Bench], Facts]


def install(bench: Bench) -> Facts:
    bench.need_gpu()
    found = _process("install", bench.device)
    found["driver"] = [{"name": gpu.name, "total_bytes": gpu.total_bytes} for gpu in _gpus()]
    return found


def load(bench: Bench) -> Facts:
    from seacod.asr.recognisers import precision

    wanted = dict.fromkeys(("float32", precision.resolve("auto", bench.device)))
    return {one: _process("load", bench.model, bench.device, one) for one in wanted}


def fork(bench: Bench) -> Facts:
    return _process("fork", bench.model, bench.device, "auto")


def memory(bench: Bench) -> Facts:
    with private_service(bench.model, asr=bench.asr) as service:
        service.transcribe(_RECORDING)
        return {"processes": memory_of(service)}


def out_of_memory(bench: Bench) -> Facts:
    """A neighbour leaves too little: batches are halved; then nothing: 507; the worker lives."""
    bench.need_gpu()
    asr = {**bench.asr, "batch_seconds": 3600, "max_segment_seconds": 60, "tune": "off"}
    with private_service(bench.model, asr=asr) as service:
        worker = service.status()["worker"]["pid"]
        recording = sounds.wav(sounds.speech(240.0))
        port = int(service.url.rpartition(":")[2])
        with _neighbour(bench, _TIGHT_BYTES) as tight:
            with ClientLoad(port, clients=8, recording=recording) as clients:
                time.sleep(_LOAD_SECONDS)
            halved = dict(clients.seen)
        halvings = _logged(service, "batch_halved")
        with _neighbour(bench, _NOTHING_BYTES) as nothing:
            with ClientLoad(
                port, clients=1, recording=recording, pause_after_503_seconds=1.0
            ) as client:
                time.sleep(_LOAD_SECONDS)
            refused = dict(client.seen)
        return {
            "tight": {**tight, "answers": halved, "batches_halved": halvings},
            "nothing_left": {**nothing, "answers": refused},
            "answers_afterwards": service.transcribe(_RECORDING) is not None,
            "worker_is_the_same": service.status()["worker"]["pid"] == worker,
        }


def kill(bench: Bench) -> Facts:
    """From SIGKILL of the worker to the next text."""
    supervisor: dict[str, object] = {"backoff_initial_seconds": 0, "crash_loop_failures": 1000}
    with private_service(bench.model, asr=bench.asr, supervisor=supervisor) as service:
        service.transcribe(_RECORDING)
        return {"seconds": [_killed(service) for _ in range(_KILLS)]}


def watchdog(bench: Bench) -> Facts:
    """What the supervisor says of the GPU beside what the driver says; a neighbour restarts
    nobody."""
    bench.need_gpu()
    gpu: dict[str, object] = {"interval_seconds": 1}
    with private_service(bench.model, asr=bench.asr, gpu=gpu) as service:
        service.transcribe(_RECORDING)
        worker = service.status()["worker"]["pid"]
        service.wait_until(lambda: service.status().get("gpu", {}).get("gpus"), "a reading")
        said, read = service.status()["gpu"]["gpus"][0], _gpus()[0]
        with _neighbour(bench, _TIGHT_BYTES) as neighbour:
            time.sleep(_LOAD_SECONDS)
            beside = service.status()
        return {
            "said_used_bytes": said["used_bytes"],
            "read_used_bytes": read.used_bytes,
            "neighbour": neighbour,
            "said_beside_it_bytes": beside["gpu"]["gpus"][0]["used_bytes"],
            "worker_is_the_same": beside["worker"]["pid"] == worker,
        }


def _process(*arguments: str) -> Facts:
    """What a process of its own found.

    Raises:
        SeacodError: it failed; with the last line that it said.
    """
    done = subprocess.run(
        python("-m", "seacod.proving.gpu_process", *arguments),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise SeacodError(last, f"测试进程失败：{last}")
    found: Facts = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@contextlib.contextmanager
def _neighbour(bench: Bench, free_bytes: int) -> Iterator[Facts]:
    """Another process has the device's memory, but for so much."""
    process = subprocess.Popen(
        python("-m", "seacod.proving.gpu_process", "neighbour", bench.device, str(free_bytes)),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def _gpus() -> list[Gpu]:
    try:
        return Drivers().read()
    except (DriverAbsent, DriverFailed):
        return []


def memory_of(service: PrivateService) -> list[Facts]:
    """Each process of a service: its command, memory of the host, memory of the GPU."""
    on_gpu: dict[int, int | None] = {
        process.pid: process.used_bytes for gpu in _gpus() for process in gpu.processes or ()
    }
    top = psutil.Process(service.process.pid)
    found = []
    for process in (top, *top.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, OSError):
            found.append(
                {
                    "command": " ".join(process.cmdline()[-3:])[:80],
                    "private_bytes": own_bytes(process.pid),
                    "resident_bytes": process.memory_info().rss,
                    "gpu_bytes": on_gpu.get(process.pid),
                }
            )
    return found


def _logged(service: PrivateService, event: str) -> int:
    return (service.directory / "log").read_text("utf-8", "replace").count(f'"{event}"')


def _killed(service: PrivateService) -> float:
    pid = service.status()["worker"]["pid"]
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    while service.transcribe(_RECORDING) is None:
        time.sleep(_POLL_SECONDS)
    return time.monotonic() - began
