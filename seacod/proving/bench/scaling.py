"""`seacod bench scaling`: what another worker is worth. The same clients at services with different
numbers of workers, in turns, in one run.

Without GPUs each worker, with the processes that decode for it, is kept on cores of its own, as
many whatever the number of workers: otherwise one worker would have the whole machine already.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from seacod.errors import EX_OK
from seacod.proving import sounds
from seacod.proving.bench.throughput import RECORDING_SECONDS, load
from seacod.proving.peers import Seacod
from seacod.proving.service import PrivateService, private_service

HELP = "throughput by number of workers"


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


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[1, 2], help="numbers of workers (1 2)"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of each on the CPU (1)")
    parser.add_argument("--clients", type=int, default=8, help="clients at once (8)")
    parser.add_argument("--seconds", type=float, default=15.0, help="length of one run (15)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each number of workers (3)")
    parser.add_argument("--device", default="auto", help="asr.device (auto)")
    parser.add_argument("--output", type=Path, help="directory for scaling.json")
    parser.add_argument("--model", default="builtin", help="asr.model (builtin)")


def run(options: argparse.Namespace) -> int:
    """Measure, and print."""
    threads, clients = max(1, options.threads), max(1, options.clients)
    found = measure(
        options.model, options.device, options.workers, threads, clients, options.seconds,
        max(1, options.rounds),
    )  # fmt: skip
    first = found[0].audio_per_second
    body = {
        "model": options.model, "threads": threads, "clients": clients,
        "run_seconds": options.seconds, "figures": [dataclasses.asdict(one) for one in found],
        "ratios": {one.workers: round(one.audio_per_second / first, 3) for one in found},
    }  # fmt: skip
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "scaling.json").write_text(json.dumps(body, indent=1) + "\n", "utf-8")
    if options.json:
        print(json.dumps(body))
        return EX_OK
    print("workers  audio s / s   ratio    p50 s    p95 s   errors")
    for one in found:
        print(
            f"{one.workers:7} {one.audio_per_second:12.1f} {one.audio_per_second / first:7.2f} "
            f"{one.p50:8.2f} {one.p95:8.2f} {one.errors:8}"
        )
    return EX_OK


def measure(
    model: str,
    device: str,
    workers: Sequence[int],
    threads: int,
    clients: int,
    seconds: float,
    rounds: int,
) -> list[ScalingFigures]:
    """All services are up all the time; one at a time has something to do.

    Args:
        model, device: asr.model, asr.device.
        workers: how many, a service for each number.
        threads: threads of each worker's model on the CPU.
        clients: at once, with one recording after the other.
        seconds: length of a run.
        rounds: runs at each service.
    """
    speech = sounds.speech(RECORDING_SECONDS)
    with contextlib.ExitStack() as stack:
        services = {}
        cores = sorted(os.sched_getaffinity(0))
        share = max(1, len(cores) // max(workers))
        for count in workers:
            _tell(f"starting a service with {count} workers")
            service = stack.enter_context(_service(model, device, count, threads))
            services[count] = service
            for number, one in enumerate(service.status()["workers"]):
                if one["device"] == "cpu":
                    first = number * share % len(cores)
                    _keep_on(psutil.Process(one["pid"]), set(cores[first : first + share]))
        peers = {
            n: Seacod(urlsplit(one.url).port or 0, one.process.pid) for n, one in services.items()
        }
        for peer in peers.values():
            load(peer, speech, clients, min(3.0, seconds))
        found: dict[int, list[float]] = {count: [] for count in workers}
        last = {}
        errors = dict.fromkeys(workers, 0)
        for number in range(rounds):
            for count, peer in peers.items():
                figures = last[count] = load(peer, speech, clients, seconds)
                found[count].append(figures.audio_per_second)
                errors[count] += figures.errors
                _tell(f"round {number + 1}, {count} workers: {figures.audio_per_second:.1f}")
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
        "supervisor": {"workers": str(count)},
    }
    with private_service(model, **sections) as service:
        service.wait_until(lambda: _serving(service) == count, f"{count} workers")
        yield service


def _keep_on(worker: psutil.Process, cores: set[int]) -> None:
    """The worker, its threads, and the decoders that it has; those to come follow it."""
    from seacod.asr.decoder.nursery import decoder_name

    name = decoder_name(worker.pid)
    decoders = (one for one in psutil.process_iter(["name"]) if one.info["name"] == name)
    for process in (worker, *decoders):
        for thread in process.threads():
            os.sched_setaffinity(thread.id, cores)


def _serving(service: PrivateService) -> int:
    return sum(one["state"] == "serving" for one in service.status().get("workers", []))


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
