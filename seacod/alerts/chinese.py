"""The evidence of an alert in Chinese: the names of the figures, and those figures that are words.
In English, as in the outbox, the keys are words themselves. Called by `compose.py`."""

from __future__ import annotations

import re
from collections.abc import Callable

from seacod.system.text.words import cause_in_chinese, state_in_chinese

_LABELS = {
    "state": "状态",
    "address": "地址",
    "model": "模型",
    "requests": "请求",
    "restarts": "重启次数",
    "last_causes": "最近的原因",
    "host_memory_free_mib": "可用内存 (MiB)",
    "disk_free_mib": "可用磁盘 (MiB)",
    "exit_status": "退出状态",
    "last_recording": "最后的录音",
    "served_seconds": "已服务 (秒)",
    "lasted_seconds": "持续 (秒)",
    "memory_of_the_last_ten_minutes": "最近十分钟内存",
    "dossier": "崩溃档案",
    "last_log_lines": "最近日志",
    "last_lines_of_the_worker": "识别进程最后输出",
}


def label(key: str) -> str:
    """What a figure is called."""
    if (match := re.fullmatch(r"gpu_(\d+)", key)) is not None:
        return f"显卡 {match[1]}"
    return _LABELS.get(key, key.replace("_", " "))


def value(key: str, text: str) -> str:
    """A figure; what is no words is as it was."""
    said = _VALUES.get("gpu" if key.startswith("gpu_") else key)
    return said(text) if said is not None else text


def _sub(pattern: str, chinese: str) -> Callable[[str], str]:
    return lambda text: re.sub(pattern, chinese, text)


def _causes(text: str) -> str:
    return "；".join(cause_in_chinese(one) for one in text.split("; "))


def _memory(text: str) -> str:
    parts = [
        re.sub(r"^(.+) MiB, at most (\d+)$", r"\1 MiB，最多 \2 MiB", one)
        for one in text.replace("worker ", "识别进程 ").replace("GPU ", "显存 ").split("; ")
    ]
    return "；".join(parts)


_VALUES: dict[str, Callable[[str], str]] = {
    "state": state_in_chinese,
    "requests": _sub(r"(\d+) in flight, (\d+) waiting", r"\1 个处理中，\2 个排队"),
    "model": _sub(r"^(.+) on (\S+)$", r"\1（\2）"),
    "last_causes": _causes,
    "gpu": _sub(r": (\d+) of (\d+) MiB used", r"：已用 \1 / \2 MiB"),
    "memory_of_the_last_ten_minutes": _memory,
}
