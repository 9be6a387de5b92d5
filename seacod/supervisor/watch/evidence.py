"""What goes with every alert: the state of the service in figures, and its last lines."""

from __future__ import annotations

from typing import Any

from seacod import logs
from seacod.alerts.chinese import said
from seacod.protocol import Beat
from seacod.supervisor.watch.gpu_sampler import GpuSampler
from seacod.supervisor.workers.host_memory import available_bytes
from seacod.supervisor.workers.report import Report
from seacod.system.text.words import Words, state_in_chinese

_LINES = 15


def gather(
    report: Report, gpus: GpuSampler, free_disk_bytes: int | None, url: str
) -> dict[str, Any]:
    """Figures first, lines last."""
    beat, last = report.beat, report.last_restarts[-3:]
    evidence: dict[str, Any] = {
        **said("state", (report.state.value, state_in_chinese(report.state.value))),
        "address": url,
        **said("model", _model(report)),
        **said("requests", _requests(beat)),
        "restarts": report.restarts,
        **said(
            "last_causes",
            ("; ".join(one.cause for one in last), "；".join(one.cause_zh for one in last)),
        ),
        "host_memory_free_mib": available_bytes() >> 20,
        "disk_free_mib": None if free_disk_bytes is None else free_disk_bytes >> 20,
    }
    for gpu in gpus.gpus:
        used, total = gpu.used_bytes >> 20, gpu.total_bytes >> 20
        words = (
            f"{gpu.name}: {used} of {total} MiB used", f"{gpu.name}：已用 {used} / {total} MiB"
        )  # fmt: skip
        evidence |= said(f"gpu_{gpu.index}", words)
    evidence["last_log_lines"] = logs.recent(_LINES)
    return evidence


def _model(report: Report) -> Words | None:
    if not report.model:
        return None
    return f"{report.model} on {report.device}", f"{report.model}（{report.device}）"


def _requests(beat: Beat | None) -> Words | None:
    if beat is None:
        return None
    inside, waiting = beat.in_flight, beat.queue_depth
    return f"{inside} in flight, {waiting} waiting", f"{inside} 个处理中，{waiting} 个排队"
