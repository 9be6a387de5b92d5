"""Settings of what is served, where, and to whom."""

from __future__ import annotations

import re

from pydantic import field_validator

from seacod.config.setting import Section, setting

# A name and the hash of a secret, as seacod/system/credentials.py makes it.
_ENTRY = re.compile(r"[A-Za-z0-9._@-]{1,64}:(sha256|scrypt)\$[A-Za-z0-9+/=$]{20,200}")


class ServerSettings(Section):
    """Where the page and the API are served."""

    host: str = setting(
        "0.0.0.0",
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
    )


class MetricsSettings(Section):
    """The Prometheus page, served by the supervisor."""

    host: str = setting(
        "127.0.0.1", "Address of the metrics page", "指标页面的监听地址", min_length=1
    )
    port: int = setting(
        8000,
        "Port of the metrics page; 0 switches it off",
        "指标页面的端口；0 表示关闭",
        ge=0,
        le=65535,
    )


class AccessSettings(Section):
    """Who may use page and API. Empty: everybody who reaches the port."""

    api_keys: str = setting(
        "",
        "Hashed keys of programs, NAME:HASH separated by blanks; 'seacod access key NAME' makes "
        "one. The keys themselves never stand here",
        "程序使用的密钥（哈希值），格式 名称:哈希，以空格分隔；由 seacod access key 名称 生成",
    )
    users: str = setting(
        "",
        "People who may log in at the page and the API, NAME:HASH separated by blanks; 'seacod "
        "access user NAME' makes one",
        "可登录网页与 API 的用户，格式 名称:哈希，以空格分隔；由 seacod access user 名称 生成",
    )
    cors_origins: str = setting(
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
