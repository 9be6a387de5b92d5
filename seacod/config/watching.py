"""Settings of the processes and of what is watched over: worker, supervisor, GPU, disk."""

from __future__ import annotations

from typing import Literal

from seacod.config.setting import MIB, Section, setting


class WorkerSettings(Section):
    """The process that holds the model."""

    startup_timeout_seconds: float = setting(
        300.0,
        "Longest time from start to a first right answer; a model download extends it",
        "从启动到就绪的最长时间（秒）；下载模型时自动延长",
        ge=5,
        le=7_200,
    )
    drain_timeout_seconds: float = setting(
        30.0,
        "How long running requests may finish after a stop; keep it below TimeoutStopSec= less "
        "stop_timeout_seconds",
        "停止时等待在途请求完成的时间（秒）",
        ge=0,
        le=3_600,
    )
    stop_timeout_seconds: float = setting(
        10.0,
        "Time from SIGTERM to SIGKILL, in seconds",
        "从 SIGTERM 到 SIGKILL 的时间（秒）",
        ge=0.5,
        le=300,
    )

    max_requests: int = setting(
        0,
        "After about so many requests a new worker takes over, at a quiet moment; 0 for never",
        "处理约多少个请求后在空闲时更换进程；0 表示不更换",
        ge=0,
        le=1_000_000_000,
    )
    max_age_seconds: float = setting(
        0.0,
        "After about so long a new worker takes over, at a quiet moment; 0 for never",
        "运行约多久后在空闲时更换进程（秒）；0 表示不更换",
        ge=0,
        le=31_536_000,
    )
    leak_bytes_per_request: int = setting(
        1 * MIB,
        "Host or GPU memory that grows faster than this with each request, steadily, is a leak: a "
        "new worker takes over at a quiet moment; 0 switches this off",
        "内存或显存随请求持续增长超过该速度即视为泄漏，空闲时更换进程；0 表示关闭",
        ge=0,
        le=1024 * MIB,
    )
    leak_min_growth_bytes: int = setting(
        512 * MIB,
        "Less growth than this in all is no leak yet",
        "总增长低于该值时不视为泄漏",
        ge=1 * MIB,
        le=1024 * 1024 * MIB,
    )
    canary_interval_seconds: float = setting(
        300.0,
        "After this long without work, the model is given a short known recording, so that one "
        "that got stuck is found before a user finds it; 0 for never",
        "空闲多久后用一段已知录音检查模型（秒）；0 表示关闭",
        ge=0,
        le=86_400,
    )


class SupervisorSettings(Section):
    """How many workers there are; how one that went away, or hangs, comes back."""

    workers: str = setting(
        "1",
        "Workers that share the address and the queue: a number, or auto for one per GPU. Each has "
        "a GPU of its own (with more workers than GPUs some share one), or without GPUs a share "
        "of the cores; one that goes costs its share only",
        "识别进程数：数字，或 auto（每块 GPU 一个）。各进程共用同一地址与队列，各占一块 GPU；"
        "没有 GPU 时平分 CPU 核心。其中一个退出只影响它那一份",
        pattern=r"^(auto|[1-9]|[1-5][0-9]|6[0-4])$",
        coerce_numbers_to_str=True,
    )
    spare: Literal["auto", "on", "off"] = setting(
        "auto",
        "A second worker that has imported everything, holds no GPU memory and takes over in a "
        "moment when the worker goes. auto: while host memory allows; it needs about as much of it "
        "as the worker itself",
        "热备进程：已完成导入、不占显存，主进程退出后立即接管。auto 表示内存充足时启用",
    )

    backoff_initial_seconds: float = setting(
        1.0, "Pause before the first restart, in seconds", "首次重启前的等待（秒）", ge=0, le=60
    )
    backoff_max_seconds: float = setting(
        60.0,
        "Longest pause between restarts, in seconds",
        "两次重启之间的最长等待（秒）",
        ge=0.1,
        le=3_600,
    )
    stable_seconds: float = setting(
        60.0,
        "Ready for this long, a worker counts as stable and the pause starts small again",
        "就绪多久之后视为稳定并重置等待（秒）",
        ge=1,
        le=86_400,
    )
    crash_loop_failures: int = setting(
        5,
        "This many failures in a row within crash_loop_window_seconds are a crash loop",
        "在 crash_loop_window_seconds 内连续失败多少次视为崩溃循环",
        ge=2,
        le=1_000,
    )
    crash_loop_window_seconds: float = setting(
        600.0,
        "See crash_loop_failures, in seconds",
        "见 crash_loop_failures（秒）",
        ge=1,
        le=86_400,
    )
    crash_loop_pause_seconds: float = setting(
        300.0,
        "Pause between tries in a crash loop, in seconds; it never gives up",
        "崩溃循环中两次尝试之间的等待（秒）；不会放弃",
        ge=0.1,
        le=86_400,
    )
    beat_timeout_seconds: float = setting(
        15.0,
        "Without a sign of life from the worker's event loop for this long, it counts as hung",
        "多久没有收到工作进程的心跳即视为卡死（秒）",
        ge=2,
        le=600,
    )
    progress_timeout_seconds: float = setting(
        300.0,
        "Longest time one batch may be with the model, in seconds; then the worker counts as hung. "
        "An idle worker and one that finishes batch after batch never do",
        "一批音频在模型中的最长时间（秒），超过即视为卡死；空闲或正常推进的进程不受影响",
        ge=2,
        le=86_400,
    )
    probe_interval_seconds: float = setting(
        10.0,
        "Seconds between requests of the supervisor's own through the listening socket; 0 for none",
        "守护进程自身探测请求的间隔（秒）；0 表示关闭",
        ge=0,
        le=3_600,
    )
    probe_timeout_seconds: float = setting(
        10.0,
        "When such a request counts as failed, in seconds",
        "探测请求的超时（秒）",
        ge=0.1,
        le=600,
    )
    probe_failures: int = setting(
        3,
        "Failed probes in a row after which the worker counts as hung",
        "连续多少次探测失败即视为卡死",
        ge=1,
        le=100,
    )


class GpuSettings(Section):
    """The watch over GPU memory. Without an NVIDIA driver it is off, and says so once."""

    interval_seconds: float = setting(
        15.0, "Seconds between two readings", "两次读取的间隔（秒）", ge=0.1, le=3_600
    )
    limit_ratio: float = setting(
        0.9,
        "GPU memory in use above this share of all of it is too much",
        "显存占用超过该比例即视为过高",
        ge=0.05,
        le=1,
    )
    limit_bytes: int = setting(
        0,
        "And above so many bytes (12348030976 is 11.5 GiB of a 12 GiB card); 0 for the share alone",
        "或超过该字节数即视为过高；0 表示只按比例",
        ge=0,
        le=1024 * 1024 * MIB,
    )
    clear_margin_ratio: float = setting(
        0.05,
        "It is over when the use has fallen this share below the limit",
        "低于上限该比例后才视为恢复（滞回）",
        ge=0,
        le=0.9,
    )
    readings: int = setting(
        3,
        "So many readings in a row before anything is done, and before each further step: say it, "
        "release the cache, replace the worker. Other people's memory is only said",
        "连续多少次读数过高才采取下一步：告警、释放缓存、替换进程；他人占用的显存只告警",
        ge=1,
        le=1_000,
    )


class StorageSettings(Section):
    """Uploads on the disk: how long they stay, and when there is too little room for more."""

    sweep_interval_seconds: float = setting(
        7200.0,
        "Seconds between two sweeps of what was left of uploads",
        "清理遗留上传文件的间隔（秒）",
        ge=1,
        le=604_800,
    )
    keep_seconds: float = setting(
        3600.0,
        "What has not been touched for so long is removed, unless a request still needs it",
        "多久未被访问的上传文件会被清理（秒）；正在使用的不会",
        ge=1,
        le=604_800,
    )
    free_warn_bytes: int = setting(
        2048 * MIB,
        "Less free space than this is an alert, and the oldest leftovers go first; 0 for never",
        "剩余空间低于该值时告警并提前清理；0 表示关闭",
        ge=0,
        le=1024 * 1024 * MIB,
    )
    free_refuse_bytes: int = setting(
        512 * MIB,
        "An upload that would leave less than this free is answered 507; 0 for never",
        "上传后剩余空间将低于该值时返回 507；0 表示关闭",
        ge=0,
        le=1024 * 1024 * MIB,
    )
