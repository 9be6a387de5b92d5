"""Section `server`."""

from __future__ import annotations

from typing import Literal

from seacod.config.setting import Section, setting


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
    root_path: str = setting(
        "",
        "Path prefix under which a reverse proxy serves seacod, such as /asr; empty for none",
        "反向代理使用的路径前缀，例如 /asr；留空表示没有",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        applies="replace",
    )
    page: Literal["on", "off"] = setting(
        "on",
        "off: no page, only the API, for machines that serve programs; a worker starts sooner and "
        "takes less memory",
        "off：不提供网页，只提供 API，适合仅供程序调用的机器；识别进程启动更快、占用内存更少",
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
