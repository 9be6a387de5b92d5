"""Every setting: its type, default, limits, unit and meaning (English and Chinese).

`etc/seacod.yaml` is generated from this file (`seacod config example`), so a setting is
described once. Numbers carry their unit in the name. Unknown keys are errors.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MIB = 1024 * 1024
_LINK = r"^(https?://\S+)?$"
# What a mail server would refuse anyway; the full grammar of RFC 5322 is nobody's address.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


# A name and the hash of a secret, as seacod/credentials.py makes it.
_ENTRY = re.compile(r"[A-Za-z0-9._@-]{1,64}:(sha256|scrypt)\$[A-Za-z0-9+/=$]{20,200}")


def addresses(text: str) -> list[str]:
    """The mail addresses of a list with commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


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
        "Voice activity detection: auto and silero-vad (needs no download, runs beside the decoder "
        "on cores of its own), fsmn-vad, a hub id or a directory",
        "语音端点检测：auto 与 silero-vad（无需下载，与解码一起并行运行）、fsmn-vad、模型名或目录",
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
        "Threads of the model on the CPU; 0 takes all cores but one, which decodes",
        "CPU 推理线程数；0 表示除一个用于解码外的全部核心",
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

    gathering_seconds: float = _setting(
        0.01,
        "How long a batch that is not full waits for speech that is on its way, in seconds",
        "未满的批次等待后续语音的时间（秒）",
        ge=0,
        le=1,
    )
    tune: Literal["auto", "off"] = _setting(
        "auto",
        "auto: the first start on a machine measures which batch sizes are worth while and later "
        "ones remember; off: batch_seconds alone decides",
        "auto：首次启动时测量合适的批大小并记住；off：只按 batch_seconds",
    )
    inverse_text_normalisation: Literal["off", "on"] = _setting(
        "off",
        "Write numbers, dates and units in digits; needs pip install seacod[itn]",
        "将数字、日期、单位写成阿拉伯数字形式；需要安装 seacod[itn]",
    )


class LimitSettings(_Section):
    """What a request may ask for. Refused before decoding, with a sentence naming the limit."""

    max_audio_seconds: float = _setting(
        14_400.0, "Longest recording in seconds", "单个录音的最长时长（秒）", ge=1, le=86_400
    )
    long_audio: Literal["stream", "reject"] = _setting(
        "stream",
        "Recordings longer than direct_audio_seconds: stream (recognised as they are decoded, in "
        "little memory) or reject",
        "超过 direct_audio_seconds 的录音：stream（边解码边识别，占用内存很少）或 reject（拒绝）",
    )
    direct_audio_seconds: float = _setting(
        300.0,
        "What counts as long, in seconds; the deadline of longer recordings grows with them",
        "多长算长录音（秒）；更长录音的期限按比例延长",
        ge=1,
        le=86_400,
    )
    max_upload_bytes: int = _setting(
        1024 * MIB,
        "Biggest upload in bytes (1073741824 is 1 GiB)",
        "上传文件的最大字节数",
        ge=1024,
        le=16 * 1024 * MIB,
    )
    queue_length: int = _setting(
        20,
        "Requests that may wait; one more is answered 503. A client of whom none waits finds a "
        "quarter more places",
        "等待队列长度，超出时返回 503；没有请求在排队的客户端可多用四分之一的位置",
        ge=1,
        le=10_000,
    )
    queue_audio_seconds: float = _setting(
        14_400.0,
        "Seconds of audio that may wait in all, padding included; more is answered 503. One "
        "recording alone may be longer",
        "等待识别的音频总时长（秒，含补齐），超出时返回 503；单个录音不受此限",
        ge=1,
        le=10_000_000,
    )
    concurrent_requests: int = _setting(
        8,
        "Requests that are worked on at once; their speech goes through the model together",
        "同时处理的请求数；它们的语音合并成批送入模型",
        ge=1,
        le=1_000,
    )
    concurrent_job_files: int = _setting(
        2,
        "Files of batch jobs that are worked on at once, behind everything else",
        "批量任务中同时处理的文件数，优先级最低",
        ge=1,
        le=1_000,
    )
    decoded_audio_bytes: int = _setting(
        256 * MIB,
        "Decoded sound that may wait in memory, of all requests together",
        "内存中等待识别的解码音频总量（字节）",
        ge=16 * MIB,
        le=64 * 1024 * MIB,
    )
    decoded_cache_bytes: int = _setting(
        64 * MIB,
        "Decoded recordings kept in case the same file comes again; 0 for none",
        "缓存已解码录音的内存（字节），相同文件再次上传时跳过解码；0 表示不缓存",
        ge=0,
        le=64 * 1024 * MIB,
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


class ResultSettings(_Section):
    """Batch jobs: accepted ones are finished across crashes and restarts."""

    keep_days: float = _setting(
        7.0,
        "Days the results of a finished batch are kept",
        "批量任务的结果保留天数",
        ge=0.01,
        le=3_650,
    )
    max_files: int = _setting(
        1_000, "Files in one batch", "单个批量任务的文件数上限", ge=1, le=100_000
    )


class AccessSettings(_Section):
    """Who may use page and API. Empty: everybody who reaches the port."""

    api_keys: str = _setting(
        "",
        "Hashed keys of programs, NAME:HASH separated by blanks; 'seacod access key NAME' makes "
        "one. The keys themselves never stand here",
        "程序使用的密钥（哈希值），格式 名称:哈希，以空格分隔；由 seacod access key 名称 生成",
    )
    users: str = _setting(
        "",
        "People who may log in at the page and the API, NAME:HASH separated by blanks; 'seacod "
        "access user NAME' makes one",
        "可登录网页与 API 的用户，格式 名称:哈希，以空格分隔；由 seacod access user 名称 生成",
    )
    cors_origins: str = _setting(
        "",
        "Web pages of other origins that may call the API, such as https://example.com, separated "
        "by blanks; empty: none",
        "允许跨域调用 API 的来源，例如 https://example.com，以空格分隔；留空表示不允许",
        pattern=r"^(\*|(https?://\S+\s*)*)$",
    )

    @field_validator("api_keys", "users")
    @classmethod
    def _entries(cls, value: str) -> str:
        for entry in value.split():
            if not _ENTRY.fullmatch(entry):
                raise ValueError(
                    f"{entry.partition(':')[0]!r} is not followed by a hash; make an entry with "
                    "'seacod access key NAME' or 'seacod access user NAME'"
                )
        return value


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

    max_requests: int = _setting(
        0,
        "After about so many requests a new worker takes over, at a quiet moment; 0 for never",
        "处理约多少个请求后在空闲时更换进程；0 表示不更换",
        ge=0,
        le=1_000_000_000,
    )
    max_age_seconds: float = _setting(
        0.0,
        "After about so long a new worker takes over, at a quiet moment; 0 for never",
        "运行约多久后在空闲时更换进程（秒）；0 表示不更换",
        ge=0,
        le=31_536_000,
    )
    leak_bytes_per_request: int = _setting(
        1 * MIB,
        "Host or GPU memory that grows faster than this with each request, steadily, is a leak: a "
        "new worker takes over at a quiet moment; 0 switches this off",
        "内存或显存随请求持续增长超过该速度即视为泄漏，空闲时更换进程；0 表示关闭",
        ge=0,
        le=1024 * MIB,
    )
    leak_min_growth_bytes: int = _setting(
        512 * MIB,
        "Less growth than this in all is no leak yet",
        "总增长低于该值时不视为泄漏",
        ge=1 * MIB,
        le=1024 * 1024 * MIB,
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
    limit_ratio: float = _setting(
        0.9,
        "GPU memory in use above this share of all of it is too much",
        "显存占用超过该比例即视为过高",
        ge=0.05,
        le=1,
    )
    limit_bytes: int = _setting(
        0,
        "And above so many bytes (12348030976 is 11.5 GiB of a 12 GiB card); 0 for the share alone",
        "或超过该字节数即视为过高；0 表示只按比例",
        ge=0,
        le=1024 * 1024 * MIB,
    )
    clear_margin_ratio: float = _setting(
        0.05,
        "It is over when the use has fallen this share below the limit",
        "低于上限该比例后才视为恢复（滞回）",
        ge=0,
        le=0.9,
    )
    readings: int = _setting(
        3,
        "So many readings in a row before anything is done, and before each further step: say it, "
        "release the cache, replace the worker. Other people's memory is only said",
        "连续多少次读数过高才采取下一步：告警、释放缓存、替换进程；他人占用的显存只告警",
        ge=1,
        le=1_000,
    )


class AlertSettings(_Section):
    """Who is told when something needs an operator. Without a server or a robot nobody is: the log
    has everything all the same."""

    language: Literal["zh", "en"] = _setting(
        "zh", "Language of the messages: zh or en", "消息语言：zh 或 en"
    )
    name: str = _setting(
        "",
        "What messages call this machine; empty: its host name",
        "消息中本机的名称；留空表示主机名",
        max_length=100,
    )
    page_link: str = _setting(
        "", "Address of the page, put into messages", "写入消息的网页地址", pattern=_LINK
    )
    dashboard_link: str = _setting(
        "", "Address of the dashboard, put into messages", "写入消息的监控面板地址", pattern=_LINK
    )
    mail_server: str = _setting(
        "",
        "Host name of the mail server; empty: no mail",
        "邮件服务器主机名；留空表示不发邮件",
        pattern=r"^[A-Za-z0-9._:-]*$",
    )
    mail_port: int = _setting(
        0,
        "Its port; 0: 587 for starttls, 465 for tls, 25 for none",
        "端口；0 表示按加密方式取 587、465 或 25",
        ge=0,
        le=65535,
    )
    mail_security: Literal["starttls", "tls", "none"] = _setting(
        "starttls",
        "starttls (refused by the server: not sent), tls from the first byte, or none",
        "starttls（服务器不支持则不发送）、tls 或 none（不加密）",
    )
    mail_ca_file: Path | None = _setting(
        None,
        "Certificate authority of the mail server, where it is not a public one",
        "邮件服务器的私有 CA 证书",
    )
    mail_user: str = _setting(
        "", "Login at the mail server; empty: none", "邮件服务器的登录名；留空表示不登录"
    )
    mail_password_file: Path | None = _setting(
        None,
        "File with the password; the systemd credential smtp-password comes first",
        "密码文件；优先使用 systemd 凭据 smtp-password",
    )
    mail_from: str = _setting("", "Sender of the messages", "发件人地址")
    mail_to: str = _setting("", "Receivers, separated by commas", "收件人地址，多个用逗号分隔")
    dingtalk_url_file: Path | None = _setting(
        None,
        "File with the address of a DingTalk robot (it holds a token); the systemd credential "
        "dingtalk-url comes first",
        "钉钉机器人地址文件（含令牌）；优先使用 systemd 凭据 dingtalk-url",
    )
    dingtalk_secret_file: Path | None = _setting(
        None,
        "File with the robot's signing secret (SEC...); the systemd credential dingtalk-secret "
        "comes first",
        "钉钉机器人加签密钥文件；优先使用 systemd 凭据 dingtalk-secret",
    )
    webhook_url_file: Path | None = _setting(
        None,
        "File with the address of a webhook that takes JSON; the systemd credential webhook-url "
        "comes first",
        "通用 webhook 地址文件；优先使用 systemd 凭据 webhook-url",
    )
    cool_down_seconds: float = _setting(
        900.0,
        "The same alert again within this time is counted, not sent",
        "同一告警在此时间内只计数、不重复发送（秒）",
        ge=0,
        le=86_400,
    )
    gather_seconds: float = _setting(
        3.0,
        "What comes within this time goes out as one message",
        "在此时间内发生的告警合并为一条消息（秒）",
        ge=0,
        le=600,
    )
    retry_hours: float = _setting(
        72.0,
        "How long a message that cannot be delivered is tried again",
        "无法送达时重试多久（小时）",
        ge=0.01,
        le=720,
    )
    muted: str = _setting(
        "",
        "Kinds of alerts that are not sent, separated by commas (seacod alerts --kinds lists them)",
        "不发送的告警种类，用逗号分隔（seacod alerts --kinds 可列出）",
    )
    error_rate_ratio: float = _setting(
        0.1,
        "Share of requests failing on our side, within error_rate_window_seconds, that is an alert",
        "服务端失败请求占比达到多少时告警",
        ge=0.001,
        le=1,
    )
    error_rate_window_seconds: float = _setting(
        300.0, "See error_rate_ratio, in seconds", "失败率的统计窗口（秒）", ge=10, le=86_400
    )
    error_rate_min_requests: int = _setting(
        20,
        "With fewer requests in the window the ratio means nothing",
        "窗口内请求少于该数时不计算失败率",
        ge=1,
        le=1_000_000,
    )
    queue_full_seconds: float = _setting(
        60.0, "A queue full for so long is an alert", "队列持续占满多久告警（秒）", ge=1, le=86_400
    )
    stalled_seconds: float = _setting(
        120.0,
        "Work waiting and the model not getting on for so long is an alert. No requests is none",
        "有任务等待而模型多久没有进展时告警（秒）；没有请求不算",
        ge=1,
        le=86_400,
    )

    @field_validator("mail_from", "mail_to")
    @classmethod
    def _addresses(cls, value: str) -> str:
        for address in addresses(value):
            if not _ADDRESS.fullmatch(address):
                raise ValueError(f"{address!r} is no mail address")
        return value


class StorageSettings(_Section):
    """Uploads on the disk: how long they stay, and when there is too little room for more."""

    sweep_interval_seconds: float = _setting(
        7200.0,
        "Seconds between two sweeps of what was left of uploads",
        "清理遗留上传文件的间隔（秒）",
        ge=1,
        le=604_800,
    )
    keep_seconds: float = _setting(
        3600.0,
        "What has not been touched for so long is removed, unless a request still needs it",
        "多久未被访问的上传文件会被清理（秒）；正在使用的不会",
        ge=1,
        le=604_800,
    )
    free_warn_bytes: int = _setting(
        2048 * MIB,
        "Less free space than this is an alert, and the oldest leftovers go first; 0 for never",
        "剩余空间低于该值时告警并提前清理；0 表示关闭",
        ge=0,
        le=1024 * 1024 * MIB,
    )
    free_refuse_bytes: int = _setting(
        512 * MIB,
        "An upload that would leave less than this free is answered 507; 0 for never",
        "上传后剩余空间将低于该值时返回 507；0 表示关闭",
        ge=0,
        le=1024 * 1024 * MIB,
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
    results: ResultSettings = ResultSettings()
    access: AccessSettings = AccessSettings()
    worker: WorkerSettings = WorkerSettings()
    supervisor: SupervisorSettings = SupervisorSettings()
    gpu: GpuSettings = GpuSettings()
    alerts: AlertSettings = AlertSettings()
    storage: StorageSettings = StorageSettings()
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
        alerts = self.alerts
        if alerts.mail_server and not (alerts.mail_to and alerts.mail_from):
            missing = "mail_to" if not alerts.mail_to else "mail_from"
            raise ValueError(f"alerts.mail_server: needs alerts.{missing}, too")
        if len(addresses(alerts.mail_from)) > 1:
            raise ValueError("alerts.mail_from: must be one address")
        if self.supervisor.backoff_max_seconds < self.supervisor.backoff_initial_seconds:
            raise ValueError(
                "supervisor.backoff_max_seconds: must not be less than "
                "supervisor.backoff_initial_seconds"
            )
        return self
