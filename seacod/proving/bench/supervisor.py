"""`seacod bench supervisor`: what the supervisor itself costs while nobody has work."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil

from seacod.proving.bench.private import private_service


@dataclass(frozen=True, slots=True)
class SupervisorFigures:
    """Of an idle service with a worker and a spare."""

    resident_bytes: int
    processor_share: float
    """Of one core, 0 to 1."""
    measured_seconds: float
    worker_resident_bytes: int


def measure(model: str, seconds: float) -> SupervisorFigures:
    """Let a service idle for so long and read the kernel's figures of its supervisor."""
    with private_service(model, supervisor={"spare": "on"}) as service:
        service.wait_for_spare()
        process = psutil.Process(service.process.pid)
        before, begun = process.cpu_times(), time.monotonic()
        time.sleep(seconds)
        after, took = process.cpu_times(), time.monotonic() - begun
        used = after.user + after.system - before.user - before.system
        worker = psutil.Process(service.status()["worker"]["pid"])
        return SupervisorFigures(
            process.memory_info().rss, used / took, took, worker.memory_info().rss
        )
