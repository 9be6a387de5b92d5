"""Every setting: its type, default, limits, unit and meaning (English and Chinese).

`etc/seacod.yaml` is generated from this file (`seacod config example`), so a setting is
described once. Numbers carry their unit in the name. Unknown keys are errors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

MIB = 1024 * 1024


def _setting(default: Any, english: str, chinese: str, **limits: Any) -> Any:
    """A field with its description in both languages; `limits` are pydantic's (ge, le, ...)."""
    return Field(default, description=english, json_schema_extra={"zh": chinese}, **limits)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class ServerSettings(_Section):
    """Where the page and the API are served."""

    host: str = _setting(
        "0.0.0.0",
        "Address to listen on; 127.0.0.1 serves this machine only. With seacod.socket, systemd "
        "listens (systemctl edit seacod.socket) and this is not used",
        "监听地址；127.0.0.1 表示仅限本机。使用 seacod.socket 时由 systemd 监听，此项不起作用",
        min_length=1,
    )
    port: int = _setting(
        7860,
        "Port of the page and the API. With seacod.socket, systemd's ListenStream= decides",
        "网页与 API 的端口。使用 seacod.socket 时以 ListenStream= 为准",
        ge=0,
        le=65535,
    )
    root_path: str = _setting(
        "",
        "Path prefix under which a reverse proxy serves seacod, such as /asr; empty for none",
        "反向代理使用的路径前缀，例如 /asr；留空表示没有",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
    )


class MetricsSettings(_Section):
    """The Prometheus page, served by the supervisor."""

    host: str = _setting(
        "127.0.0.1", "Address of the metrics page", "指标页面的监听地址", min_length=1
    )
    port: int = _setting(
        8000,
        "Port of the metrics page; 0 switches it off",
        "指标页面的端口；0 表示关闭",
        ge=0,
        le=65535,
    )


class AsrSettings(_Section):
    """The model and the device it runs on."""

    model: str = _setting(
        "builtin",
        "builtin (small, for trying and testing, not for real speech), paraformer-zh (the real "
        "Seaco-Paraformer-large), a ModelScope id such as iic/..., or a directory",
        "builtin（内置小模型，仅用于试用与测试）、paraformer-zh（正式模型）、ModelScope 模型名"
        "或本地目录",
        min_length=1,
    )
    vad_model: str = _setting(
        "auto",
        "Voice activity detection: auto (fsmn-vad with paraformer-zh, otherwise silero-vad, which "
        "needs no download), silero-vad, fsmn-vad, a hub id or a directory",
        "语音端点检测：auto（正式模型用 fsmn-vad，否则用无需下载的 silero-vad）、silero-vad、"
        "fsmn-vad、模型名或目录",
        min_length=1,
    )
    punctuation_model: str = _setting(
        "auto",
        "Punctuation: auto (ct-punc with paraformer-zh, otherwise none), none, ct-punc, a hub id "
        "or a directory",
        "标点模型：auto（正式模型用 ct-punc，否则不加标点）、none、ct-punc、模型名或目录",
        min_length=1,
    )
    device: str = _setting(
        "auto",
        "auto (the first GPU if there is one, otherwise the CPU), cpu, cuda or cuda:N",
        "auto（有 GPU 用 GPU，否则用 CPU）、cpu、cuda 或 cuda:N",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
    )
    cpu_threads: int = _setting(
        0,
        "Threads of the model on the CPU; 0 takes all cores",
        "CPU 推理线程数；0 表示全部核心",
        ge=0,
        le=1024,
    )
    models_directory: Path | None = _setting(
        None,
        "Where fetched models are kept; empty: models/ in the state directory",
        "下载的模型存放目录；留空表示状态目录下的 models/",
    )
    hub_token_file: Path | None = _setting(
        None,
        "File with the ModelScope token for private models; the systemd credential hub-token "
        "comes first. The token itself never stands in this file",
        "私有模型的 ModelScope 令牌文件；优先使用 systemd 凭据 hub-token。令牌本身不写在这里",
    )
    max_segment_seconds: float = _setting(
        20.0,
        "Longest piece of speech given to the model at once; longer ones are cut at silences",
        "一次送入模型的最长语音片段（秒），更长的在静音处切开",
        ge=2,
        le=60,
    )
    batch_seconds: float = _setting(
        120.0,
        "Seconds of audio, padding included, that go through the model together",
        "一批送入模型的音频总时长（秒，含补齐）",
        ge=2,
        le=3_600,
    )


class LimitSettings(_Section):
    """What a request may ask for. Refused before decoding, with a sentence naming the limit."""

    max_audio_seconds: float = _setting(
        300.0, "Longest recording in seconds", "单个录音的最长时长（秒）", ge=1, le=14_400
    )
    max_upload_bytes: int = _setting(
        200 * MIB,
        "Biggest upload in bytes (209715200 is 200 MiB)",
        "上传文件的最大字节数",
        ge=1024,
        le=16 * 1024 * MIB,
    )
    queue_length: int = _setting(
        20,
        "Requests that may wait for the model; one more is answered 503",
        "等待队列长度，超出时返回 503",
        ge=1,
        le=10_000,
    )
    request_timeout_seconds: float = _setting(
        300.0,
        "Deadline of one request in seconds; then 504",
        "单个请求的期限（秒），超时返回 504",
        ge=1,
        le=86_400,
    )
    max_hotwords: int = _setting(
        50,
        "Hotwords per request; FunASR itself uses 50 at most",
        "每个请求的热词数量上限",
        ge=1,
        le=50,
    )


class WorkerSettings(_Section):
    """The process that holds the model."""

    startup_timeout_seconds: float = _setting(
        300.0,
        "Longest time from start to a first right answer; a model download extends it",
        "从启动到就绪的最长时间（秒）；下载模型时自动延长",
        ge=5,
        le=7_200,
    )
    drain_timeout_seconds: float = _setting(
        30.0,
        "How long running requests may finish after a stop; keep it below TimeoutStopSec= less "
        "stop_timeout_seconds",
        "停止时等待在途请求完成的时间（秒）",
        ge=0,
        le=3_600,
    )
    stop_timeout_seconds: float = _setting(
        10.0,
        "Time from SIGTERM to SIGKILL, in seconds",
        "从 SIGTERM 到 SIGKILL 的时间（秒）",
        ge=0.5,
        le=300,
    )

    canary_interval_seconds: float = _setting(
        300.0,
        "After this long without work, the model is given a short known recording, so that one "
        "that got stuck is found before a user finds it; 0 for never",
        "空闲多久后用一段已知录音检查模型（秒）；0 表示关闭",
        ge=0,
        le=86_400,
    )


class SupervisorSettings(_Section):
    """How a worker that went away, or hangs, comes back."""

    spare: Literal["auto", "on", "off"] = _setting(
        "auto",
        "A second worker that has imported everything, holds no GPU memory and takes over in a "
        "moment when the worker goes. auto: while host memory allows; it needs about as much of it "
        "as the worker itself",
        "热备进程：已完成导入、不占显存，主进程退出后立即接管。auto 表示内存充足时启用",
    )

    backoff_initial_seconds: float = _setting(
        1.0, "Pause before the first restart, in seconds", "首次重启前的等待（秒）", ge=0, le=60
    )
    backoff_max_seconds: float = _setting(
        60.0,
        "Longest pause between restarts, in seconds",
        "两次重启之间的最长等待（秒）",
        ge=0.1,
        le=3_600,
    )
    stable_seconds: float = _setting(
        60.0,
        "Ready for this long, a worker counts as stable and the pause starts small again",
        "就绪多久之后视为稳定并重置等待（秒）",
        ge=1,
        le=86_400,
    )
    crash_loop_failures: int = _setting(
        5,
        "This many failures in a row within crash_loop_window_seconds are a crash loop",
        "在 crash_loop_window_seconds 内连续失败多少次视为崩溃循环",
        ge=2,
        le=1_000,
    )
    crash_loop_window_seconds: float = _setting(
        600.0,
        "See crash_loop_failures, in seconds",
        "见 crash_loop_failures（秒）",
        ge=1,
        le=86_400,
    )
    crash_loop_pause_seconds: float = _setting(
        300.0,
        "Pause between tries in a crash loop, in seconds; it never gives up",
        "崩溃循环中两次尝试之间的等待（秒）；不会放弃",
        ge=0.1,
        le=86_400,
    )
    beat_timeout_seconds: float = _setting(
        15.0,
        "Without a sign of life from the worker's event loop for this long, it counts as hung",
        "多久没有收到工作进程的心跳即视为卡死（秒）",
        ge=2,
        le=600,
    )
    progress_timeout_seconds: float = _setting(
        300.0,
        "Longest time one batch may be with the model, in seconds; then the worker counts as hung. "
        "An idle worker and one that finishes batch after batch never do",
        "一批音频在模型中的最长时间（秒），超过即视为卡死；空闲或正常推进的进程不受影响",
        ge=2,
        le=86_400,
    )
    probe_interval_seconds: float = _setting(
        10.0,
        "Seconds between requests of the supervisor's own through the front door; 0 for none",
        "守护进程自身探测请求的间隔（秒）；0 表示关闭",
        ge=0,
        le=3_600,
    )
    probe_timeout_seconds: float = _setting(
        10.0,
        "When such a request counts as failed, in seconds",
        "探测请求的超时（秒）",
        ge=0.1,
        le=600,
    )
    probe_failures: int = _setting(
        3,
        "Failed probes in a row after which the worker counts as hung",
        "连续多少次探测失败即视为卡死",
        ge=1,
        le=100,
    )


class GpuSettings(_Section):
    """The watch over GPU memory. Without an NVIDIA driver it is off, and says so once."""

    interval_seconds: float = _setting(
        15.0, "Seconds between two readings", "两次读取的间隔（秒）", ge=0.1, le=3_600
    )


class PathSettings(_Section):
    """Directories. Empty: what systemd gives the unit, else a place under the user's home."""

    state_directory: Path | None = _setting(
        None,
        "Results and fetched models (systemd: /var/lib/seacod)",
        "结果与模型（systemd 下为 /var/lib/seacod）",
    )
    runtime_directory: Path | None = _setting(
        None,
        "Status socket and metrics files (systemd: /run/seacod)",
        "状态套接字与指标文件（systemd 下为 /run/seacod）",
    )
    temp_directory: Path | None = _setting(
        None,
        "Uploads while they are being worked on; empty: uploads/ in the state directory",
        "处理中的上传文件；留空表示状态目录下的 uploads/",
    )


class LogSettings(_Section):
    """What is written to the journal, the console or a file."""

    level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", "Least important level to log", "日志级别"
    )
    format: Literal["auto", "journal", "console", "json"] = _setting(
        "auto",
        "auto: journal fields under systemd, readable lines on a terminal, JSON lines in a file",
        "auto：systemd 下写入 journal，终端下为可读文本，文件中为 JSON",
    )
    file: Path | None = _setting(
        None,
        "Also append JSON lines to this file (rotated by logrotate); empty for none",
        "同时以 JSON 写入此文件（由 logrotate 轮转）；留空表示不写",
    )


class Settings(_Section):
    """All settings of one seacod service."""

    server: ServerSettings = ServerSettings()
    metrics: MetricsSettings = MetricsSettings()
    asr: AsrSettings = AsrSettings()
    limits: LimitSettings = LimitSettings()
    worker: WorkerSettings = WorkerSettings()
    supervisor: SupervisorSettings = SupervisorSettings()
    gpu: GpuSettings = GpuSettings()
    paths: PathSettings = PathSettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="after")
    def _combinations(self) -> Settings:
        """Refuse what is right key by key but impossible together."""
        if self.metrics.port != 0 and self.metrics.port == self.server.port:
            raise ValueError(
                f"metrics.port: {self.metrics.port} is also server.port; give the metrics page a "
                "port of its own, or 0 to switch it off"
            )
        if self.supervisor.backoff_max_seconds < self.supervisor.backoff_initial_seconds:
            raise ValueError(
                "supervisor.backoff_max_seconds: must not be less than "
                "supervisor.backoff_initial_seconds"
            )
        return self
