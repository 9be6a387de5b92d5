"""Why a worker ended, told from its exit status and what the kernel counted.

Used by `lifecycle.py` for the log, the metrics and the decision whether to try again.
"""

from __future__ import annotations

import enum
import signal
from dataclasses import dataclass

from seacod.errors import EX_CONFIG, EX_UNAVAILABLE
from seacod.supervisor.workers.host_memory import Cgroup
from seacod.system.text.words import Words


class ExitKind(enum.Enum):
    """What kind of end it was; the value is a label of the restart metric."""

    NORMAL = "exit_0"
    CONFIGURATION = "configuration"
    MODEL = "model_unavailable"
    FAILED = "exit_code"
    OUT_OF_MEMORY = "out_of_memory"
    SIGNAL = "signal"
    HUNG = "hung"
    NEVER_READY = "never_ready"
    """Ended by us: not ready in time."""
    STOPPED = "stopped"
    """Ended by us for another reason."""


@dataclass(frozen=True, slots=True)
class End:
    """One end of a worker: its kind, and the same in words."""

    kind: ExitKind
    words: Words

    @property
    def cause(self) -> str:
        """In English, as logs have it."""
        return self.words[0]


# What a worker is taken for that was killed in vain, while it is there still.
STUCK = End(ExitKind.HUNG, ("hung: cannot be ended", "卡死：无法结束"))


def stopped(cause: str) -> End:
    """One that we asked for; what for stands in the log."""
    return End(ExitKind.STOPPED, (cause, "按要求停止"))


# Signals that somebody else sends; the others come from what the process itself did.
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_OWN_FAULT = (ExitKind.OUT_OF_MEMORY, ExitKind.HUNG, ExitKind.FAILED)


def is_own_fault(end: End, status: int) -> bool:
    """Whether what the worker was working on may be what ended it.

    Args:
        end: what it was taken for.
        status: exit code, or the negated signal number.
    """
    if end.kind is ExitKind.SIGNAL:
        return -status not in _FROM_OUTSIDE
    return end.kind in _OWN_FAULT


def classify(status: int, *, is_out_of_memory: bool) -> End:
    """An end that nobody asked for.

    Args:
        status: exit code, or the negated signal number.
        is_out_of_memory: the kernel killed something of ours for memory meanwhile.
    """
    if status < 0:
        name = _signal_name(-status)
        if status == -signal.SIGKILL and is_out_of_memory:
            return End(
                ExitKind.OUT_OF_MEMORY,
                ("killed by the kernel: out of memory", "内存不足，被内核终止"),
            )
        return End(ExitKind.SIGNAL, (f"signal {name}", f"收到信号 {name}"))
    english, chinese = f"exit code {status}", f"退出码 {status}"
    if status == 0:
        return End(ExitKind.NORMAL, (english, chinese))
    if status == EX_CONFIG:
        return End(ExitKind.CONFIGURATION, (f"{english} (configuration)", f"{chinese}（配置错误）"))
    if status == EX_UNAVAILABLE:
        return End(ExitKind.MODEL, (f"{english} (model not available)", f"{chinese}（模型不可用）"))
    return End(ExitKind.FAILED, (english, chinese))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


class MemoryKills:
    """How many processes of our cgroup the kernel has killed for memory. Where it does not count,
    a kill looks like a signal."""

    def __init__(self, cgroup: Cgroup) -> None:
        self._cgroup = cgroup
        self._seen = self._cgroup.out_of_memory_kills()

    def happened(self) -> bool:
        """Whether there was one since the last call."""
        before, self._seen = self._seen, self._cgroup.out_of_memory_kills()
        return self._seen > before
