"""The line that `systemctl status` shows."""

from __future__ import annotations

from collections.abc import Sequence

from seacod.accelerators.base import Gpu
from seacod.pause import Pause
from seacod.supervisor.workers.report import Report
from seacod.supervisor.workers.states import ServiceState
from seacod.system.text.words import NOTHING, Words

_EXPLANATIONS = {
    ServiceState.ABSENT: "no worker",
    ServiceState.STARTING: "starting",
    ServiceState.SERVING: "serving",
    ServiceState.DRAINING: "finishing running requests",
    ServiceState.STOPPING: "stopping the worker",
    ServiceState.BACKING_OFF: "the worker ended; waiting to start it again",
    ServiceState.CRASH_LOOPING: "CRASH LOOP: the worker keeps ending; trying again slowly",
}


def start_progress(report: Report) -> Words:
    """What a start is at, and for how long; nothing in any other state.

    Args:
        report: what is known of the service as a whole.
    """
    if report.state is not ServiceState.STARTING:
        return NOTHING
    seconds, last = report.began.age_seconds, report.last_start_seconds
    english, chinese = f"for {seconds:.0f} s", f"已 {seconds:.0f} 秒"
    if report.stage[0]:
        english = f"{report.stage[0]}, {english}"
        chinese = f"{report.stage[1]}，{chinese}"
    if last is not None:
        english, chinese = (
            f"{english}; the last start took {last:.0f} s",
            (f"{chinese}；上次启动用时 {last:.0f} 秒"),
        )
    return english, chinese


def status_text(
    report: Report,
    addresses: Sequence[str],
    serving: int,
    workers: int,
    gpu: Gpu | None,
    pause: Pause | None = None,
) -> str:
    """The state of the service in one line.

    Args:
        report: what is known of the service as a whole.
        addresses: of page and API.
        serving: workers that serve, of all `workers`.
        gpu: the one the first worker uses.
        pause: while an operator has paused the service.
        now: seconds, monotonic.
    """
    paused = []
    if pause is not None:
        paused.append(f"PAUSED{f' ({pause.reason})' if pause.reason else ''}: takes nothing new")
    how_far = start_progress(report)[0]
    parts = [_EXPLANATIONS[report.state] + (f" ({how_far})" if how_far else "")]
    parts = paused + parts
    parts.append("on " + " and ".join(addresses))
    if workers > 1:
        parts.append(f"{serving} of {workers} workers serve")
    if report.state is ServiceState.SERVING:
        beat = report.beat
        parts.append(f"model {report.model} on {report.device}")
        parts.append(f"{beat.in_flight if beat else 0} in flight")
        parts.append(f"{beat.queue_depth if beat else 0} waiting")
        if gpu is not None:
            parts.append(f"GPU {gpu.used_bytes >> 20} of {gpu.total_bytes >> 20} MiB")
    if report.replacement is not None:
        parts.append("a worker with new settings is loading")
    last = f" (last: {report.last_causes[-1]})" if report.last_causes else ""
    parts.append(f"{report.restarts} restarts{last}")
    return ", ".join(parts)
