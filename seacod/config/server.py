"""Section `server`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import field_validator

from seacod.config.setting import Section, setting
from seacod.system.addresses import AddressSet


class ServerSettings(Section, applies="restart"):
    """Where the page and the API are served."""

    host: str = setting(
        "0.0.0.0",  # noqa: S104  # people are to reach it
        "Address to listen on; 127.0.0.1 serves this machine only. With seacod.socket, systemd "
        "listens (systemctl edit seacod.socket) and this is not used",
        "监听地址；127.0.0.1 表示仅限本机。使用 seacod.socket 时由 systemd 监听，此项不起作用",
        min_length=1,
    )
    port: int = setting(
        7860,
        "Port of the page and the API. With seacod.socket, systemd's ListenStream= decides",
        "网页与 API 的端口。使用 seacod.socket 时以 ListenStream= 为准",
        ge=0,
        le=65535,
    )
    funasr_port: int = setting(
        0,
        "Port of FunASR's WebSocket protocol, 10095 by custom, for clients of its runtime; 0 for "
        "none. The protocol is also at /funasr of the other port",
        "FunASR WebSocket 协议的端口，供 FunASR 客户端使用，惯例为 10095；0 表示不开放。"
        "主端口的 /funasr 也提供该协议",
        ge=0,
        le=65535,
    )
    funasr_tls: Literal["on", "off"] = setting(
        "on",
        "Whether funasr_port speaks TLS (wss), as FunASR's clients expect, with a certificate that "
        "the service makes for itself; off for ws",
        "funasr_port 是否使用 TLS（wss）。FunASR 客户端默认使用 wss，证书由服务自行生成；"
        "off 表示 ws",
        applies="replace",
    )
    funasr_certificate_file: Path | None = setting(
        None,
        "Certificate and private key (PEM, one file) for funasr_port, instead of those made here",
        "funasr_port 使用的证书与私钥（PEM，同一文件），代替自动生成的证书",
        applies="replace",
        credential="funasr-certificate",
    )
    root_path: str = setting(
        "",
        "Path prefix under which a reverse proxy serves seacod, such as /asr; empty for none",
        "反向代理使用的路径前缀，例如 /asr；留空表示没有",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        form="a path such as /asr, without a slash at its end",
        applies="replace",
    )
    page: Literal["on", "off"] = setting(
        "on",
        "off: no page, only the API, for machines that serve programs; a worker starts sooner and "
        "takes less memory",
        "off：不提供网页，只提供 API，适合仅供程序调用的机器；识别进程启动更快、占用内存更少",
        applies="replace",
    )
    allowed_hosts: str = setting(
        "",
        "Names by which people reach the service, separated by blanks, such as asr.example.com; "
        "*.example.com for all below, * for any. localhost, the name of this machine and every "
        "address are allowed anyway; a request for another name is refused, which keeps pages "
        "elsewhere from reaching the service under a name of their own (DNS rebinding)",
        "访问本服务所用的域名，以空格分隔，例如 asr.example.com；*.example.com 表示其下所有子域，"
        "* 表示任意。localhost、本机主机名与 IP 地址始终允许；其他域名的请求会被拒绝"
        "（防御 DNS 重绑定）",
        pattern=r"^[A-Za-z0-9._*:\[\] -]*$",
        form="names such as asr.example.com, separated by blanks",
        applies="replace",
    )
    model_aliases: str = setting(
        "paraformer* seaco-paraformer* sensevoice* funasr* fun-asr* whisper*",
        "Names besides its own and OpenAI's that OpenAI's clients may ask for as model and get the "
        "one there is, separated by blanks; * stands for any letters, alone for any name. Capital "
        "letters and what is before the last / do not matter",
        "OpenAI 客户端可使用的模型名称（均指当前模型），以空格分隔；* 代表任意字符，单独的 * 表示"
        "任意名称；不区分大小写，忽略最后一个 / 之前的部分",
        pattern=r"^[^\x00-\x1f\x7f]*$",
        form="names in one line, separated by blanks",
        applies="replace",
    )
    trusted_proxies: str = setting(
        "",
        "Addresses or networks of reverse proxies in front, separated by blanks, such as "
        "127.0.0.1; what they say in X-Forwarded-For and X-Forwarded-Proto is believed, and "
        "nobody else's",
        "前端反向代理的地址或网段，以空格分隔，例如 127.0.0.1；仅采信它们的 X-Forwarded-For 与 "
        "X-Forwarded-Proto",
        applies="replace",
    )
    max_connections: int = setting(
        1024,
        "Connections that may be open at once; fewer where there are too few descriptors "
        "(LimitNOFILE=). Idle ones make room for new ones",
        "同时打开的最大连接数；文件描述符不足时更少。空闲连接会为新连接让位",
        ge=8,
        le=100_000,
        applies="replace",
    )
    max_connections_of_address: int = setting(
        256,
        "And of one address, unless it is one of trusted_proxies",
        "单个地址的最大连接数（trusted_proxies 除外）",
        ge=4,
        le=100_000,
        applies="replace",
    )
    drain_notice_seconds: float = setting(
        0.0,
        "Before a stop, /health/ready says 503 for so many seconds while everybody is still "
        "served, so that a load balancer in front sends new requests elsewhere; 0 without one. "
        "With worker.drain_timeout_seconds and worker.stop_timeout_seconds less than "
        "TimeoutStopSec=",
        "停止前先让 /health/ready 返回 503 并继续服务的时间（秒），供前端负载均衡切走流量；"
        "没有负载均衡时为 0",
        ge=0,
        le=3600,
        applies="live",
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses(cls, value: str) -> str:
        AddressSet(value)
        return value
