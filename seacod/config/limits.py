"""Section `limits`."""

from __future__ import annotations

from typing import Literal

from seacod.config.setting import MIB, Section, setting


class LimitSettings(
    Section,
    applies="live",
    chinese="一个请求可以要求多少；超出的在解码之前拒绝，并用一句话写明上限",
):
    """What a request may ask for. Refused before decoding, with a sentence naming the limit."""

    max_audio_seconds: float = setting(
        14_400.0,
        "Longest recording in seconds",
        "单个录音的最长时长（秒）",
        between=(1, 86_400),
        applies="replace",
    )
    long_audio: Literal["stream", "reject"] = setting(
        "stream",
        "Recordings longer than direct_audio_seconds: stream (recognised as they are decoded, in "
        "little memory) or reject",
        "超过 direct_audio_seconds 的录音：stream（边解码边识别，占用内存很少）或 reject（拒绝）",
        applies="replace",
    )
    direct_audio_seconds: float = setting(
        300.0,
        "What counts as long, in seconds; the deadline of longer recordings grows with them",
        "多长算长录音（秒）；更长录音的期限按比例延长",
        between=(1, 86_400),
        applies="replace",
    )
    max_upload_bytes: int = setting(
        1024 * MIB,
        "Biggest upload in bytes (1073741824 is 1 GiB)",
        "上传文件的最大字节数（1073741824 即 1 GiB）",
        between=(1024, 16 * 1024 * MIB),
        applies="replace",
    )
    max_unpacked_bytes: int = setting(
        8 * 1024 * MIB,
        "Most bytes that the zip archives of one batch may hold, unpacked (8589934592 is 8 GiB)",
        "一个批量任务中所有 zip 压缩包解压后的最大总字节数（8589934592 即 8 GiB）",
        between=(1024, 1024 * 1024 * MIB),
    )
    queue_length: int = setting(
        20,
        "Requests that may wait; one more is answered 503. A client of whom none waits finds a "
        "quarter more places",
        "等待队列长度，超出时返回 503；没有请求在排队的客户端可多用四分之一的位置",
        between=(1, 10_000),
    )
    queue_audio_seconds: float = setting(
        14_400.0,
        "Seconds of audio that may wait in all, padding included; more is answered 503. One "
        "recording alone may be longer",
        "等待识别的音频总时长（秒，含补齐），超出时返回 503；单个录音不受此限",
        between=(1, 10_000_000),
    )
    concurrent_requests: int = setting(
        8,
        "Requests that are worked on at once; their speech goes through the model together",
        "同时处理的请求数；它们的语音合并成批送入模型",
        between=(1, 1_000),
    )
    live_sessions: int = setting(
        8,
        "Microphones that may be open at once, of the page's live tab and of programs. A client "
        "that has none open finds a quarter more places",
        "允许同时进行的实时录音路数（页面与程序合计）；没有录音在进行的客户端可多用四分之一的名额",
        between=(0, 256),
    )
    concurrent_job_files: int = setting(
        2,
        "Files of batch jobs that are worked on at once, behind everything else",
        "批量任务中同时处理的文件数，优先级最低",
        between=(1, 1_000),
    )
    decoded_audio_bytes: int = setting(
        256 * MIB,
        "Decoded sound that may wait in memory, of all requests together",
        "内存中等待识别的已解码音频（字节），所有请求合计",
        between=(16 * MIB, 64 * 1024 * MIB),
    )
    memory_growth_bytes: int = setting(
        2048 * MIB,
        "A worker that has grown by more than this since it began to serve refuses new work with "
        "503 until what is inside is done; 0 for never. MemoryMax= of the unit stands behind it",
        "识别进程自就绪后内存增长超过该字节数时，以 503 拒绝新请求，直到处理中的完成；0 表示关闭。"
        "其后还有服务单元的 MemoryMax= 兜底",
        between=(0, 1024 * 1024 * MIB),
    )
    decoded_cache_bytes: int = setting(
        64 * MIB,
        "Decoded recordings kept in case the same file comes again; 0 for none",
        "缓存已解码录音的内存（字节），相同文件再次上传时跳过解码；0 表示不缓存",
        between=(0, 64 * 1024 * MIB),
    )
    request_timeout_seconds: float = setting(
        300.0,
        "Deadline of one request in seconds; then 504",
        "单个请求的期限（秒），超时返回 504",
        between=(1, 86_400),
    )
    max_hotwords: int = setting(
        1_000,
        "Hotwords of a request, and of each list of the server; the 50 that fit the sound best are "
        "listened for",
        "每个请求及服务器每个热词表的热词数量上限；每段语音只用其中最符合的 50 个",
        between=(1, 10_000),
    )
