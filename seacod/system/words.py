"""What the service calls its states and the causes of ends, in Chinese; in English the names are
words. For commands, mails and the checklist; whoever logs or measures never needs it."""

from __future__ import annotations

import re

STATES = {
    "absent": "没有识别进程",
    "starting": "正在启动",
    "serving": "正在服务",
    "draining": "正在处理完剩余请求",
    "stopping": "正在停止",
    "ended": "已退出",
    "backing_off": "已退出，等待再次启动",
    "crash_looping": "反复启动失败，缓慢重试",
    "not_running": "没有运行",
    "not serving": "未在服务",
    "unreachable": "无法连接",
    "unknown": "未知",
    "loading": "正在加载",
    "ready": "就绪",
}

# What is said of an end, in the order of who says it: exits.py, liveness.py, worker.py.
_CAUSES = (
    (r"killed by the kernel: out of memory", "内存不足，被内核终止"),
    (r"signal (\w+)", r"收到信号 \1"),
    (r"exit code (\d+) \(configuration\)", r"退出码 \1（配置错误）"),
    (r"exit code (\d+) \(model not available\)", r"退出码 \1（模型不可用）"),
    (r"exit code (\d+)", r"退出码 \1"),
    (r"hung: no beat", "卡死：没有心跳"),
    (r"hung: work without progress", "卡死：有任务但没有进展"),
    (r"hung: no answer over HTTP", "卡死：HTTP 无响应"),
    (r"not ready within (\S+)", r"未能在 \1 内就绪"),
    (r"did not end after its drain time-out", "排空超时后仍未退出"),
)


def state_in_chinese(state: str) -> str:
    """A state by its Chinese name; one that has none as it is."""
    return STATES.get(state, state)


def cause_in_chinese(cause: str) -> str:
    """The cause of an end in Chinese; one in other words, such as an operator's, as it is."""
    for pattern, chinese in _CAUSES:
        if (match := re.fullmatch(pattern, cause)) is not None:
            return match.expand(chinese)
    return cause
