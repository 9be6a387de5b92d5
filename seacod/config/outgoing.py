"""Section `outgoing`."""

from __future__ import annotations

from pathlib import Path

from pydantic import field_validator

from seacod.config.setting import Section, setting
from seacod.system.net.allowed_origins import AllowedOrigins


class OutgoingSettings(
    Section, applies="live", chinese="客户端要求时，服务自身可以连接谁；留空表示谁都不连接"
):
    """Whom the service itself connects to because a client asks for it. Empty: nobody."""

    input_hosts: str = setting(
        "",
        "Hosts from which recordings may be fetched (url= in place of a file), separated by "
        "blanks: example.com (https), https://example.com:8443, http://10.0.0.5:8080, "
        "*.example.com. Names below a * must lead to public addresses",
        "允许以 url= 代替文件获取录音的主机，以空格分隔：example.com（https）、"
        "https://example.com:8443、http://10.0.0.5:8080、*.example.com；* 之下的域名须指向公网地址",
    )
    input_seconds: float = setting(
        50.0,
        "Seconds that fetching one recording may take",
        "获取单个录音的时间上限（秒）",
        between=(1, 3600),
    )
    callback_hosts: str = setting(
        "",
        "Hosts that may be told when a batch is over (callback_url), written as input_hosts",
        "批量任务结束时允许通知（callback_url）的主机，写法同 input_hosts",
    )
    callback_secret_file: Path | None = setting(
        None,
        "File with the secret by which callbacks are signed: whsec_ and the Base64 of 24 to 64 "
        "random bytes (Standard Webhooks), or any other text",
        "回调签名密钥文件：whsec_ 加 24 到 64 个随机字节的 Base64（Standard Webhooks），或任意文本",
        credential="callback-secret",
    )
    callback_hours: float = setting(
        24.0,
        "Hours for which a callback that is not taken is tried again",
        "回调未送达时重试多久（小时）",
        between=(0.01, 168),
    )

    @field_validator("input_hosts", "callback_hosts")
    @classmethod
    def _hosts(cls, value: str) -> str:
        AllowedOrigins(value)
        return value
