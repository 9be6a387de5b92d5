"""`seacod bench scaling`: what another worker is worth. The same clients at services with different
numbers of workers, in turns, in one run.

Without GPUs each worker, with the processes that decode for it, is kept on cores of its own, as
many whatever the number of workers: otherwise one worker would have the whole machine already.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from seacod.errors import EX_OK
from seacod.proving.audio_rate import WayFigures, in_turns
from seacod.proving.peers import Seacod
from seacod.proving.progress import busy_with
from seacod.proving.service import PrivateService, private_service
from seacod.proving.table import Table

HELP = "throughput by number of workers"


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
        "run_seconds": options.seconds, "figures": [one.named("workers") for one in found],
        "ratios": {one.way: round(one.audio_per_second / first, 3) for one in found},
    }  # fmt: skip
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "scaling.json").write_text(json.dumps(body, indent=1) + "\n", "utf-8")
    if options.json:
        print(json.dumps(body))
        return EX_OK
    table = Table[WayFigures[int]](
        (("workers", "识别进程"), lambda one: str(one.way)),
        (("audio s / s", "音频秒/秒"), lambda one: f"{one.audio_per_second:.1f}"),
        (("ratio", "倍数"), lambda one: f"{one.audio_per_second / first:.2f}"),
        (("p50 s", "P50（秒）"), lambda one: f"{one.p50:.2f}"),
        (("p95 s", "P95（秒）"), lambda one: f"{one.p95:.2f}"),
        (("errors", "错误"), lambda one: str(one.errors)),
        first_columns=8,
    )
    table.show(found)
    return EX_OK


def measure(
    model: str,
    device: str,
    workers: Sequence[int],
    threads: int,
    clients: int,
    seconds: float,
    rounds: int,
) -> list[WayFigures[int]]:
    """All services are up all the time; one at a time has something to do.

    Args:
        model, device: asr.model, asr.device.
        workers: how many, a service for each number.
        threads: threads of each worker's model on the CPU.
        clients: at once, with one recording after the other.
        seconds: length of a run.
        rounds: runs at each service.
    """
    with contextlib.ExitStack() as stack:
        services = {}
        cores = sorted(os.sched_getaffinity(0))
        share = max(1, len(cores) // max(workers))
        for count in workers:
            with busy_with(f"a service with {count} workers", f"启动 {count} 个识别进程的服务"):
                service = stack.enter_context(_service(model, device, count, threads))
            services[count] = service
            for number, one in enumerate(service.status()["workers"]):
                if one["device"] == "cpu":
                    first = number * share % len(cores)
                    _keep_on(psutil.Process(one["pid"]), set(cores[first : first + share]))
        peers = {
            n: Seacod(urlsplit(one.url).port or 0, one.process.pid) for n, one in services.items()
        }
        return in_turns(peers, clients, seconds, rounds)


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
