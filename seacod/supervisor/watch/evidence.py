"""What goes with every alert: the state of the service in figures, and its last lines."""

from __future__ import annotations

from typing import Any

from seacod import logs
from seacod.supervisor.watch.gpu_sampler import GpuSampler
from seacod.supervisor.workers.host_memory import available_bytes
from seacod.supervisor.workers.report import Report

_LINES = 15


def gather(
    report: Report, gpus: GpuSampler, free_disk_bytes: int | None, url: str
) -> dict[str, Any]:
    """Figures first, lines last."""
    beat = report.beat
    evidence: dict[str, Any] = {
        "state": report.state.value,
        "address": url,
        "model": f"{report.model} on {report.device}" if report.model else None,
        "requests": f"{beat.in_flight} in flight, {beat.queue_depth} waiting" if beat else None,
        "restarts": report.restarts,
        "last_causes": "; ".join(report.last_causes[-3:]),
        "host_memory_free_mib": available_bytes() >> 20,
        "disk_free_mib": None if free_disk_bytes is None else free_disk_bytes >> 20,
    }
    for gpu in gpus.gpus:
        evidence[f"gpu_{gpu.index}"] = (
            f"{gpu.name}: {gpu.used_bytes >> 20} of {gpu.total_bytes >> 20} MiB used"
        )
    evidence["last_log_lines"] = logs.recent(_LINES)
    return evidence
