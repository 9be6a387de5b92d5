"""Section `worker`."""

from __future__ import annotations

from seacod.config.setting import MIB, Section, setting


class WorkerSettings(Section, applies="live", chinese="加载模型的进程"):
    """The process that holds the model."""

    startup_timeout_seconds: float = setting(
        300.0,
        "Longest time from start to a first right answer, in seconds; a model download extends it",
        "从启动到首次正确应答的最长时间（秒）；下载模型时自动延长",
        between=(5, 7_200),
    )
    drain_timeout_seconds: float = setting(
        30.0,
        "Seconds that running requests may take to finish after a stop; keep it below "
        "TimeoutStopSec= less stop_timeout_seconds",
        "停止时等待处理中的请求完成的时间（秒）；须小于 TimeoutStopSec= 减去 stop_timeout_seconds",
        between=(0, 3_600),
    )
    stop_timeout_seconds: float = setting(
        10.0,
        "Time from SIGTERM to SIGKILL, in seconds",
        "从 SIGTERM 到 SIGKILL 的时间（秒）",
        between=(0.5, 300),
    )

    max_requests: int = setting(
        0,
        "After about so many requests a new worker takes over, at a quiet moment; 0 for never",
        "处理约多少个请求后在空闲时更换识别进程；0 表示不更换",
        between=(0, 1_000_000_000),
    )
    max_age_seconds: float = setting(
        0.0,
        "After about so many seconds a new worker takes over, at a quiet moment; 0 for never",
        "运行约多久后在空闲时更换识别进程（秒）；0 表示不更换",
        between=(0, 31_536_000),
    )
    leak_bytes_per_request: int = setting(
        1 * MIB,
        "Host or GPU memory that grows faster than this with each request, steadily, is a leak: a "
        "new worker takes over at a quiet moment; 0 switches this off",
        "内存或显存随请求持续增长超过该速度即视为泄漏，空闲时更换识别进程；0 表示关闭",
        between=(0, 1024 * MIB),
    )
    leak_min_growth_bytes: int = setting(
        512 * MIB,
        "Less growth than this in all is no leak yet",
        "总增长低于该值时不视为泄漏",
        between=(1 * MIB, 1024 * 1024 * MIB),
    )
    canary_interval_seconds: float = setting(
        300.0,
        "After so many seconds without work the model is given a short known recording, so that "
        "one that got stuck is found before a user finds it; 0 for never",
        "空闲多久后用一段已知录音检查模型（秒），以便先于用户发现它已不能工作；0 表示关闭",
        between=(0, 86_400),
    )
