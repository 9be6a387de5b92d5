"""The memory of the last ten minutes, kept for the case of a crash."""

from __future__ import annotations

from dataclasses import dataclass

from seacod.supervisor.watch.time_series import TimeSeries
from seacod.system.text.words import Words

INTERVAL_SECONDS = 5.0
_KEPT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory at one moment, in bytes; None where it was unknown."""

    worker_bytes: int | None
    gpu_used_bytes: int | None
    gpu_own_bytes: int | None


MemorySeries = TimeSeries[Memory]


def memory_series() -> MemorySeries:
    """An empty series."""
    return TimeSeries(INTERVAL_SECONDS, _KEPT_SECONDS)


def in_words(series: MemorySeries) -> Words:
    """The worker's memory and the GPU's: at first, at last, at most; MiB."""
    memories = [memory for _, memory in series.rows()]
    parts, chinese = [], []
    for name, name_zh, values in (
        ("worker", "识别进程", [m.worker_bytes for m in memories if m.worker_bytes is not None]),
        ("GPU", "显存", [m.gpu_used_bytes for m in memories if m.gpu_used_bytes is not None]),
    ):
        if values:
            mib = [value >> 20 for value in values]
            parts.append(f"{name} {mib[0]} → {mib[-1]} MiB, at most {max(mib)}")
            chinese.append(f"{name_zh} {mib[0]} → {mib[-1]} MiB，最多 {max(mib)} MiB")
    return "; ".join(parts), "；".join(chinese)
