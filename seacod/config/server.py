"""Section `server`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import field_validator

from seacod.config.setting import Section, setting
from seacod.system.net.addresses import AddressSet
from seacod.system.net.listen_address import ListenAddress, parse
from seacod.system.text.words import WrongValue

# More than that are a mistake, and each is handed to every worker.
_MOST_ADDRESSES = 16


class ServerSettings(Section, applies="restart", chinese="网页与 API 在哪里提供"):
    """Where the page and the API are served."""

    host: str = setting(
        "0.0.0.0",  # noqa: S104  # people are to reach it
        "Address to listen on; 127.0.0.1 serves this machine only, :: serves IPv4 and IPv6",
        "监听地址；127.0.0.1 表示仅限本机，:: 表示同时监听 IPv4 与 IPv6",
        min_length=1,
    )
    port: int = setting(
        7860,
        "Port of the page and the API",
        "网页与 API 的端口",
        between=(0, 65535),
    )
    listen: str = setting(
        "",
        "Instead of host and port, several addresses of the page and the API, separated by blanks: "
        "HOST:PORT, [IPV6]:PORT, or the path of a unix socket; such as '0.0.0.0:7860 [::]:7860 "
        "/run/seacod/http.sock'. [::] serves IPv4, too, unless an IPv4 address has the same port. "
        "A unix socket is for the service's user and group",
        "代替 host 与 port，列出网页与 API 的多个监听地址，以空格分隔：HOST:PORT、"
        "[IPV6]:PORT 或 unix 套接字路径，例如 '0.0.0.0:7860 [::]:7860 /run/seacod/http.sock'。"
        "[::] 同时监听 IPv4，除非另有 IPv4 地址使用同一端口。unix 套接字仅限服务的用户与用户组访问",
    )
    funasr_port: int = setting(
        0,
        "Port of FunASR's WebSocket protocol, 10095 by custom, for clients of its runtime; 0 for "
        "none. It is on the same hosts as page and API, and the protocol also at /funasr of those",
        "FunASR WebSocket 协议的端口，供 FunASR 客户端使用，惯例为 10095；0 表示不开放。"
        "监听主机与网页相同；网页端口的 /funasr 也提供该协议",
        between=(0, 65535),
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
        form=("a path such as /asr, without a slash at its end", "/asr 这样的路径，末尾不带斜杠"),
        applies="replace",
    )
    page: Literal["on", "off"] = setting(
        "on",
        "off: no page, only the API, for machines that serve programs; a start takes less "
        "processor time",
        "off：不提供网页，只提供 API，适合仅供程序调用的机器；启动时占用的处理器时间更少",
        applies="replace",
    )
    allowed_hosts: str = setting(
        "",
        "Names by which people reach the service, separated by blanks, such as asr.example.com; "
        "*.example.com for all below, * for any. localhost, the name of this machine and every "
        "address are allowed anyway; a request for another name is refused, which keeps pages "
        "elsewhere from reaching the service under a name of their own (DNS rebinding)",
        "访问本服务所用的域名，以空格分隔，例如 asr.example.com；*.example.com 表示其下所有子域，"
        "* 表示任意。localhost、本机主机名与 IP 地址始终允许；"
        "其他域名的请求会被拒绝（防御 DNS 重绑定）",
        pattern=r"^[A-Za-z0-9._*:\[\] -]*$",
        form=(
            "names such as asr.example.com, separated by blanks",
            "asr.example.com 这样的名称，以空格分隔",
        ),
        applies="replace",
    )
    model_aliases: str = setting(
        "paraformer* seaco-paraformer* sensevoice* funasr* fun-asr* whisper*",
        "Names besides its own and OpenAI's that OpenAI's clients may ask for as model and get the "
        "one there is, separated by blanks; * stands for any letters, alone for any name. Capital "
        "letters and what is before the last / do not matter",
        "除模型自身与 OpenAI 的名称外，OpenAI 客户端还可使用的模型名称（均指当前模型），"
        "以空格分隔；* 代表任意字符，单独的 * 表示任意名称；不区分大小写，"
        "忽略最后一个 / 之前的部分",
        pattern=r"^[^\x00-\x1f\x7f]*$",
        form=("names in one line, separated by blanks", "写在一行内的名称，以空格分隔"),
        applies="replace",
    )
    trusted_proxies: str = setting(
        "",
        "Addresses or networks of reverse proxies in front, separated by blanks, such as "
        "127.0.0.1, or unix for one that comes by a unix socket; what they say in X-Forwarded-For "
        "and X-Forwarded-Proto is believed, and nobody else's",
        "前端反向代理的地址或网段，以空格分隔，例如 127.0.0.1；unix 表示经 unix 套接字接入的代理；"
        "仅采信它们的 X-Forwarded-For 与 X-Forwarded-Proto",
        applies="replace",
    )
    max_connections: int = setting(
        1024,
        "Connections that may be open at once; fewer where there are too few descriptors "
        "(LimitNOFILE=). Idle ones make room for new ones",
        "同时打开的最大连接数；文件描述符不足（LimitNOFILE=）时更少。空闲连接会为新连接让位",
        between=(8, 100_000),
        applies="replace",
    )
    max_connections_of_address: int = setting(
        256,
        "Connections of one address (of IPv6: of one /64 network) that may be open at once, unless "
        "it is one of trusted_proxies",
        "单个地址（IPv6 为单个 /64 网段）的最大连接数（trusted_proxies 除外）",
        between=(4, 100_000),
        applies="replace",
    )
    drain_notice_seconds: float = setting(
        0.0,
        "Before a stop, /health/ready says 503 for so many seconds while everybody is still "
        "served, so that a load balancer in front sends new requests elsewhere; 0 without one. "
        "With worker.drain_timeout_seconds and worker.stop_timeout_seconds less than "
        "TimeoutStopSec=",
        "停止前先让 /health/ready 返回 503 并继续服务的时间（秒），供前端负载均衡切走流量；"
        "没有负载均衡时为 0。与 worker.drain_timeout_seconds、"
        "worker.stop_timeout_seconds 之和须小于 TimeoutStopSec=",
        between=(0, 3600),
        applies="live",
    )

    @property
    def addresses(self) -> tuple[ListenAddress, ...]:
        """Where page and API are served."""
        if self.listen.strip():
            return tuple(map(parse, self.listen.split()))
        return (ListenAddress(_without_brackets(self.host), self.port),)

    @property
    def funasr_addresses(self) -> tuple[ListenAddress, ...]:
        """Where FunASR's protocol has a port of its own: none without `funasr_port`."""
        if not self.funasr_port:
            return ()
        hosts = [one.host for one in self.addresses if one.host] or [_without_brackets(self.host)]
        return tuple(ListenAddress(host, self.funasr_port) for host in dict.fromkeys(hosts))

    @field_validator("listen", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        # As a list of YAML, too.
        is_list = isinstance(value, list) and all(isinstance(one, str) for one in value)
        return " ".join(value) if is_list else value  # type: ignore[arg-type]

    @field_validator("listen")
    @classmethod
    def _listened_on(cls, value: str) -> str:
        texts = [str(parse(one)) for one in value.split()]
        if len(texts) > _MOST_ADDRESSES:
            raise WrongValue(
                f"{len(texts)} addresses are more than {_MOST_ADDRESSES}",
                f"有 {len(texts)} 个地址，最多 {_MOST_ADDRESSES} 个",
            )
        if twice := next((one for one in texts if texts.count(one) > 1), None):
            raise WrongValue(f"{twice} is named twice", f"{twice} 重复出现")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses(cls, value: str) -> str:
        AddressSet(value)
        return value


def _without_brackets(host: str) -> str:
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host
