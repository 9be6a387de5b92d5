"""What another worker is worth: the same clients at services with different numbers of workers, in
turns, in one run.

Without GPUs each worker, with the processes that decode for it, is kept on cores of its own, as
many whatever the number of workers: otherwise one worker would have the whole machine already.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

from seacod.proving import sounds
from seacod.proving.bench.peers import Seacod
from seacod.proving.bench.private import PrivateService, private_service
from seacod.proving.bench.throughput import RECORDING_SECONDS, run


@dataclass(frozen=True, slots=True)
class ScalingFigures:
    """One number of workers: audio seconds a second in each round, their median, and the median
    latency in seconds."""

    workers: int
    rounds: tuple[float, ...]
    audio_per_second: float
    p50: float
    p95: float
    errors: int


def measure(
    model: str,
    device: str,
    workers: Sequence[int],
    threads: int,
    clients: int,
    seconds: float,
    rounds: int,
    tell: Callable[[str], None],
) -> list[ScalingFigures]:
    """All services are up all the time; one at a time has something to do.

    Args:
        model, device: asr.model, asr.device.
        workers: how many, a service for each number.
        threads: of each worker's model on the CPU.
        clients: at once, with one recording after the other.
        seconds: length of a run.
        rounds: runs at each service.
        tell: told what goes on.
    """
    speech = sounds.speech(RECORDING_SECONDS)
    with contextlib.ExitStack() as stack:
        services = {}
        cores = sorted(os.sched_getaffinity(0))
        share = max(1, len(cores) // max(workers))
        for count in workers:
            tell(f"starting a service with {count} workers")
            service = stack.enter_context(_service(model, device, count, threads))
            services[count] = service
            for number, one in enumerate(service.status()["workers"]):
                if one["device"] == "cpu":
                    first = number * share % len(cores)
                    _keep_on(psutil.Process(one["pid"]), set(cores[first : first + share]))
        peers = {n: Seacod(urlsplit(one.url).port or 0) for n, one in services.items()}
        for peer in peers.values():
            run(peer, speech, clients, min(3.0, seconds))
        found: dict[int, list[float]] = {count: [] for count in workers}
        last = {}
        errors = dict.fromkeys(workers, 0)
        for number in range(rounds):
            for count, peer in peers.items():
                figures = last[count] = run(peer, speech, clients, seconds)
                found[count].append(figures.audio_per_second)
                errors[count] += figures.errors
                tell(f"round {number + 1}, {count} workers: {figures.audio_per_second:.1f}")
    return [
        ScalingFigures(
            count, tuple(found[count]), sorted(found[count])[len(found[count]) // 2],
            last[count].p50, last[count].p95, errors[count],
        )
        for count in workers
    ]  # fmt: skip


@contextlib.contextmanager
def _service(model: str, device: str, count: int, threads: int) -> Iterator[PrivateService]:
    sections: dict[str, dict[str, object]] = {
        "asr": {"device": device, "cpu_threads": threads},
        "supervisor": {"workers": str(count), "spare": "off"},
    }
    with private_service(model, **sections) as service:
        service.wait_until(lambda: _serving(service) == count, f"{count} workers")
        yield service


def _keep_on(worker: psutil.Process, cores: set[int]) -> None:
    """The worker, its threads, and what it has started."""
    for process in (worker, *worker.children(recursive=True)):
        for thread in process.threads():
            os.sched_setaffinity(thread.id, cores)


def _serving(service: PrivateService) -> int:
    return sum(one["state"] == "serving" for one in service.status().get("workers", []))
