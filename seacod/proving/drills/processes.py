"""Drills: a process dies or hangs."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any

from seacod.errors import SeacodError
from seacod.proving.drills.timing import Result, Timing
from seacod.proving.target import DrillFailed, LocalService
from seacod.system.processes.process_handle import ProcessHandle


def kill_worker(target: LocalService) -> Result:
    """SIGKILL to the worker, as the kernel does when memory is short."""
    pid = target.serving()["worker"]["pid"]
    with Timing("kill-worker", target) as timing:
        timing.inject(lambda: target.signal(pid, signal.SIGKILL))
        timing.detected(lambda: _has_left(target, pid), "another worker in front")
        timing.serves_again()
    return timing.result()


def hang_worker(target: LocalService) -> Result:
    """SIGSTOP to the worker: it is there and does nothing."""
    pid = target.serving()["worker"]["pid"]
    with Timing("hang-worker", target) as timing, _going_on(pid):
        timing.inject(lambda: target.signal(pid, signal.SIGSTOP))
        timing.detected(lambda: _has_left(target, pid), "the worker being replaced")
        timing.serves_again()
        limit = target.settings.supervisor.beat_timeout_seconds
        timing.remark = (
            f"without a beat for {limit:g} s (supervisor.beat_timeout_seconds)",
            f"{limit:g} 秒没有心跳（supervisor.beat_timeout_seconds）",
        )
    return timing.result()


def kill_supervisor(target: LocalService) -> Result:
    """SIGKILL to the supervisor; systemd has to start it again."""
    if not target.is_unit:
        raise SeacodError(
            "this service was started by hand: nobody would start it again; install it "
            "(sudo ./install.sh), then drill",
            "该服务由人工启动，无人会将其重启；请先安装为系统服务再演练",
        )
    pid = target.serving()["pid"]
    with Timing("kill-supervisor", target) as timing:
        timing.inject(lambda: target.signal(pid, signal.SIGKILL))
        timing.detected(lambda: target.status().get("pid") not in (None, pid), "systemd's restart")
        timing.serves_again()
        timing.remark = (
            "detected: systemd has started another", "发现故障：以 systemd 启动新的守护进程计"
        )  # fmt: skip
    return timing.result()


@contextlib.contextmanager
def _going_on(pid: int) -> Iterator[None]:
    """Afterwards the process is not stopped, whatever happened."""
    try:
        process = ProcessHandle(pid)
    except ProcessLookupError:
        raise DrillFailed(f"process {pid} has already exited", f"进程 {pid} 已退出") from None
    with process:
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                process.send(signal.SIGCONT)


def _has_left(target: LocalService, pid: int) -> bool:
    """Whether this worker is not in front any more, or on its way out."""
    worker: dict[str, Any] | None = target.status().get("worker")
    return worker is not None and (worker["pid"] != pid or worker["state"] != "serving")
