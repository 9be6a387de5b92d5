"""Section `supervisor`."""

from __future__ import annotations

from pydantic import model_validator

from seacod.config.setting import Section, setting
from seacod.system.text.words import WrongValue


class SupervisorSettings(
    Section, applies="live", chinese="识别进程有多少个；退出或卡死之后如何恢复"
):
    """How many workers there are; how one that went away, or hangs, comes back."""

    workers: str = setting(
        "1",
        "Workers that share the address and the queue: a number, or auto for one per GPU. Each has "
        "a GPU of its own (with more workers than GPUs some share one), or without GPUs a share "
        "of the cores; one that goes costs its share only",
        "识别进程数：数字，或 auto（每块 GPU 一个）。各进程共用同一地址与队列，各占一块 GPU（多于 "
        "GPU 时有的共用一块）；没有 GPU 时平分 CPU 核心。其中一个退出只影响它那一份",
        pattern=r"^(auto|[1-9]|[1-5][0-9]|6[0-4])$",
        form=("auto or a number from 1 to 64", "auto 或 1 至 64 的数字"),
        coerce_numbers_to_str=True,
        applies="restart",
    )
    backoff_initial_seconds: float = setting(
        1.0,
        "Pause after the first start that never served, in seconds. A worker that served is "
        "replaced at once; from the eleventh within a minute on there are pauses of at most 5 s",
        "首次启动失败后的等待（秒）。已正常服务过的进程退出后立即恢复；"
        "一分钟内从第十一次起，每次最多等待 5 秒",
        between=(0, 60),
    )
    backoff_max_seconds: float = setting(
        60.0,
        "Longest pause between restarts, in seconds",
        "两次重启之间的最长等待（秒）",
        between=(0.1, 3_600),
    )
    stable_seconds: float = setting(
        60.0,
        "Ready for so many seconds, a worker counts as stable and the pause starts small again",
        "就绪多久之后视为稳定并重置等待（秒）",
        between=(1, 86_400),
    )
    crash_loop_failures: int = setting(
        5,
        "This many starts in a row that never served, within crash_loop_window_seconds, are a "
        "crash loop; this many ends of workers that had served are told as a storm",
        "在 crash_loop_window_seconds 内连续启动失败多少次视为“反复启动失败”；"
        "正常服务过的进程退出达到该次数时合并为一次告警",
        between=(2, 1_000),
    )
    crash_loop_window_seconds: float = setting(
        600.0,
        "Seconds within which crash_loop_failures are counted",
        "统计 crash_loop_failures 的时间窗口（秒）",
        between=(1, 86_400),
    )
    crash_loop_pause_seconds: float = setting(
        300.0,
        "Pause between tries in a crash loop, in seconds; it never gives up",
        "反复启动失败时两次尝试之间的等待（秒）；不会放弃",
        between=(0.1, 86_400),
    )
    beat_timeout_seconds: float = setting(
        15.0,
        "Without a sign of life from its event loop for so many seconds, a worker counts as hung",
        "多久没有收到识别进程的心跳即视为卡死（秒）",
        between=(2, 600),
    )
    progress_timeout_seconds: float = setting(
        300.0,
        "Longest time one batch may be with the model, in seconds; then the worker counts as hung. "
        "An idle worker and one that finishes batch after batch never do",
        "一批音频在模型中的最长时间（秒），超过即视为卡死；空闲或正常推进的进程不受影响",
        between=(2, 86_400),
    )
    probe_interval_seconds: float = setting(
        10.0,
        "Seconds between probes, requests of the supervisor's own through the listening socket; 0 "
        "for none",
        "守护进程经由监听套接字自行探测的间隔（秒）；0 表示关闭",
        between=(0, 3_600),
    )
    probe_timeout_seconds: float = setting(
        10.0,
        "Seconds after which a probe counts as failed",
        "探测的超时（秒）",
        between=(0.1, 600),
    )
    probe_failures: int = setting(
        3,
        "Failed probes in a row after which the worker counts as hung",
        "连续多少次探测失败即视为卡死",
        between=(1, 100),
    )

    @model_validator(mode="after")
    def _combinations(self) -> SupervisorSettings:
        if self.backoff_max_seconds < self.backoff_initial_seconds:
            raise WrongValue(
                "backoff_max_seconds: must not be less than supervisor.backoff_initial_seconds",
                "backoff_max_seconds：不能小于 supervisor.backoff_initial_seconds",
            )
        return self
