"""The evidence of an alert in Chinese: the names of the figures, and those figures that are words.
In English the keys are words themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping

from seacod.system.text.words import Words

# What begins with an underscore is shown by nobody under its own name.
_BESIDE = "_zh_"
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


def said(key: str, words: Words | None) -> dict[str, str | None]:
    """A figure that is words, for the evidence: in English as everybody gets it, in Chinese beside
    it for messages in that language. None where it is unknown."""
    return {key: None} if words is None else {key: words[0], _BESIDE + key: words[1]}


def value(evidence: Mapping[str, object], key: str) -> str:
    """A figure of the evidence; what is no words is as it was."""
    return str(evidence.get(_BESIDE + key) or evidence[key])
