"""`seacod bench supervisor`: what the supervisor itself costs while nobody has work."""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from dataclasses import dataclass

import psutil

from seacod.errors import EX_OK
from seacod.proving.progress import busy_with
from seacod.proving.service import private_service
from seacod.system.text.terminal import print_words

HELP = "memory and processor time of the supervisor"


@dataclass(frozen=True, slots=True)
class SupervisorFigures:
    """An idle service."""

    resident_bytes: int
    processor_share: float
    """A share of one core, 0 to 1."""
    measured_seconds: float
    worker_resident_bytes: int


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to measure (60)")
    parser.add_argument("--model", default="builtin", help="asr.model (builtin)")


def run(options: argparse.Namespace) -> int:
    """Measure, and print."""
    figures = measure(options.model, max(1.0, options.seconds))
    if options.json:
        print(json.dumps(dataclasses.asdict(figures)))
        return EX_OK
    seconds, share = figures.measured_seconds, figures.processor_share
    own, worker = figures.resident_bytes / 1e6, figures.worker_resident_bytes / 1e6
    print_words(
        f"supervisor of an idle service, over {seconds:.0f} s\n"
        f"  resident memory  {own:.1f} MB\n"
        f"  processor        {share:.2%} of one core\n"
        f"  its worker       {worker:.0f} MB resident",
        f"空闲服务的守护进程，观察 {seconds:.0f} 秒\n"
        f"  常驻内存      {own:.1f} MB\n"
        f"  处理器        单核的 {share:.2%}\n"
        f"  其识别进程    常驻 {worker:.0f} MB",
    )
    return EX_OK


def measure(model: str, seconds: float) -> SupervisorFigures:
    """Let a service idle for so long and read the kernel's figures of its supervisor."""
    with private_service(model) as service:
        service.wait_for_nursery()
        process = psutil.Process(service.process.pid)
        before, begun = process.cpu_times(), time.monotonic()
        with busy_with(f"looking for {seconds:.0f} s", f"观察 {seconds:.0f} 秒"):
            time.sleep(seconds)
        after, took = process.cpu_times(), time.monotonic() - begun
        used = after.user + after.system - before.user - before.system
        worker = psutil.Process(service.status()["worker"]["pid"])
        return SupervisorFigures(
            process.memory_info().rss, used / took, took, worker.memory_info().rss
        )
