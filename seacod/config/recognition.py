"""Settings of the model, of what a request may ask for, and of results."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from seacod.config.setting import MIB, Section, setting


class AsrSettings(Section):
    """The model and the device it runs on."""

    model: str = setting(
        "builtin",
        "builtin (small, for trying and testing, not for real speech), paraformer-zh (the real "
        "Seaco-Paraformer-large), a ModelScope id such as iic/..., or a directory",
        "builtin（内置小模型，仅用于试用与测试）、paraformer-zh（正式模型）、ModelScope 模型名"
        "或本地目录",
        min_length=1,
    )
    vad_model: str = setting(
        "auto",
        "Voice activity detection: auto and silero-vad (needs no download, runs beside the decoder "
        "on cores of its own), fsmn-vad, a hub id or a directory",
        "语音端点检测：auto 与 silero-vad（无需下载，与解码一起并行运行）、fsmn-vad、模型名或目录",
        min_length=1,
    )
    punctuation_model: str = setting(
        "auto",
        "Punctuation: auto (ct-punc with paraformer-zh, otherwise none), none, ct-punc, a hub id "
        "or a directory",
        "标点模型：auto（正式模型用 ct-punc，否则不加标点）、none、ct-punc、模型名或目录",
        min_length=1,
    )
    device: str = setting(
        "auto",
        "auto (the first GPU if there is one, otherwise the CPU), cpu, cuda or cuda:N",
        "auto（有 GPU 用 GPU，否则用 CPU）、cpu、cuda 或 cuda:N",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
    )
    cpu_threads: int = setting(
        0,
        "Threads of the model on the CPU; 0 takes all cores but one, which decodes",
        "CPU 推理线程数；0 表示除一个用于解码外的全部核心",
        ge=0,
        le=1024,
    )
    models_directory: Path | None = setting(
        None,
        "Where fetched models are kept; empty: models/ in the state directory",
        "下载的模型存放目录；留空表示状态目录下的 models/",
    )
    hub_token_file: Path | None = setting(
        None,
        "File with the ModelScope token for private models; the systemd credential hub-token "
        "comes first. The token itself never stands in this file",
        "私有模型的 ModelScope 令牌文件；优先使用 systemd 凭据 hub-token。令牌本身不写在这里",
    )
    max_segment_seconds: float = setting(
        20.0,
        "Longest piece of speech given to the model at once; longer ones are cut at silences",
        "一次送入模型的最长语音片段（秒），更长的在静音处切开",
        ge=2,
        le=60,
    )
    batch_seconds: float = setting(
        120.0,
        "Seconds of audio, padding included, that go through the model together",
        "一批送入模型的音频总时长（秒，含补齐）",
        ge=2,
        le=3_600,
    )

    gathering_seconds: float = setting(
        0.01,
        "How long a batch that is not full waits for speech that is on its way, in seconds",
        "未满的批次等待后续语音的时间（秒）",
        ge=0,
        le=1,
    )
    tune: Literal["auto", "off"] = setting(
        "auto",
        "auto: the first start on a machine measures which batch sizes are worth while and later "
        "ones remember; off: batch_seconds alone decides",
        "auto：首次启动时测量合适的批大小并记住；off：只按 batch_seconds",
    )
    inverse_text_normalisation: Literal["off", "on"] = setting(
        "off",
        "Write numbers, dates and units in digits; needs pip install seacod[itn]",
        "将数字、日期、单位写成阿拉伯数字形式；需要安装 seacod[itn]",
    )


class LimitSettings(Section):
    """What a request may ask for. Refused before decoding, with a sentence naming the limit."""

    max_audio_seconds: float = setting(
        14_400.0, "Longest recording in seconds", "单个录音的最长时长（秒）", ge=1, le=86_400
    )
    long_audio: Literal["stream", "reject"] = setting(
        "stream",
        "Recordings longer than direct_audio_seconds: stream (recognised as they are decoded, in "
        "little memory) or reject",
        "超过 direct_audio_seconds 的录音：stream（边解码边识别，占用内存很少）或 reject（拒绝）",
    )
    direct_audio_seconds: float = setting(
        300.0,
        "What counts as long, in seconds; the deadline of longer recordings grows with them",
        "多长算长录音（秒）；更长录音的期限按比例延长",
        ge=1,
        le=86_400,
    )
    max_upload_bytes: int = setting(
        1024 * MIB,
        "Biggest upload in bytes (1073741824 is 1 GiB)",
        "上传文件的最大字节数",
        ge=1024,
        le=16 * 1024 * MIB,
    )
    max_unpacked_bytes: int = setting(
        8 * 1024 * MIB,
        "Most bytes that the zip archives of one batch may hold, unpacked (8589934592 is 8 GiB)",
        "一个批量任务中所有 zip 压缩包解压后的最大总字节数",
        ge=1024,
        le=1024 * 1024 * MIB,
    )
    queue_length: int = setting(
        20,
        "Requests that may wait; one more is answered 503. A client of whom none waits finds a "
        "quarter more places",
        "等待队列长度，超出时返回 503；没有请求在排队的客户端可多用四分之一的位置",
        ge=1,
        le=10_000,
    )
    queue_audio_seconds: float = setting(
        14_400.0,
        "Seconds of audio that may wait in all, padding included; more is answered 503. One "
        "recording alone may be longer",
        "等待识别的音频总时长（秒，含补齐），超出时返回 503；单个录音不受此限",
        ge=1,
        le=10_000_000,
    )
    concurrent_requests: int = setting(
        8,
        "Requests that are worked on at once; their speech goes through the model together",
        "同时处理的请求数；它们的语音合并成批送入模型",
        ge=1,
        le=1_000,
    )
    live_sessions: int = setting(
        8,
        "Microphones that may be open at once on the page's live tab",
        "“实时录音”页面允许同时进行的路数",
        ge=0,
        le=256,
    )
    concurrent_job_files: int = setting(
        2,
        "Files of batch jobs that are worked on at once, behind everything else",
        "批量任务中同时处理的文件数，优先级最低",
        ge=1,
        le=1_000,
    )
    decoded_audio_bytes: int = setting(
        256 * MIB,
        "Decoded sound that may wait in memory, of all requests together",
        "内存中等待识别的解码音频总量（字节）",
        ge=16 * MIB,
        le=64 * 1024 * MIB,
    )
    decoded_cache_bytes: int = setting(
        64 * MIB,
        "Decoded recordings kept in case the same file comes again; 0 for none",
        "缓存已解码录音的内存（字节），相同文件再次上传时跳过解码；0 表示不缓存",
        ge=0,
        le=64 * 1024 * MIB,
    )
    request_timeout_seconds: float = setting(
        300.0,
        "Deadline of one request in seconds; then 504",
        "单个请求的期限（秒），超时返回 504",
        ge=1,
        le=86_400,
    )
    max_hotwords: int = setting(
        50,
        "Hotwords per request; FunASR itself uses 50 at most",
        "每个请求的热词数量上限",
        ge=1,
        le=50,
    )


class ResultSettings(Section):
    """Batch jobs: accepted ones are finished across crashes and restarts."""

    database: str = setting(
        "",
        "Where several servers share their jobs, so that one finishes what another has accepted: "
        "postgresql://USER@HOST/DATABASE. Empty: SQLite in the state directory, for this one",
        "多台服务器共享批量任务时的 PostgreSQL 地址 postgresql://USER@HOST/DATABASE，"
        "一台接收的任务可由另一台完成；留空表示本机状态目录中的 SQLite",
        pattern=r"^(postgresql://[^\s]+)?$",
    )
    database_password_file: Path | None = setting(
        None,
        "File with its password; the systemd credential database-password comes first. The "
        "password itself never stands in this file",
        "数据库密码文件；优先使用 systemd 凭据 database-password。密码本身不写在这里",
    )

    keep_days: float = setting(
        7.0,
        "Days the results of a finished batch are kept",
        "批量任务的结果保留天数",
        ge=0.01,
        le=3_650,
    )
    max_files: int = setting(
        1_000, "Files in one batch", "单个批量任务的文件数上限", ge=1, le=100_000
    )
