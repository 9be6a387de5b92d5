"""Where something listens, as people write it and as a socket tells it: `0.0.0.0:7860`,
`[::1]:7860`, `/run/seacod/http.sock`; and how it is reached from this machine.

Used by the settings, the supervisor, the checks and the probe. Opens nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seacod.errors import BadPort
from seacod.system.text.words import WrongValue

_ANY = ("0.0.0.0", "::")  # noqa: S104
# sun_path of unix(7), with the zero at its end.
_PATH_BYTES = 107
_UNIX = "unix:"
_SCHEME = re.compile(r"[a-z0-9+.-]+://")


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """
    Args:
        host: a name or an address, without brackets; empty for a unix socket.
        port: TCP's; 0 for a unix socket, and for any that is free.
        path: of a unix socket.
    """

    host: str
    port: int
    path: str = ""

    def __str__(self) -> str:
        return self.path or f"{bracketed(self.host)}:{self.port}"

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.host


def parse(text: str) -> ListenAddress:
    """One address.

    Args:
        text: `HOST:PORT`, `[IPV6]:PORT` or the path of a unix socket.

    Raises:
        WrongValue: it is none.
    """
    path = text.removeprefix(_UNIX)
    if path.startswith("/"):
        if path.endswith("/") or len(path.encode()) > _PATH_BYTES:
            raise WrongValue(
                f"{text!r} is no path of a unix socket, which has at most {_PATH_BYTES} bytes",
                f"{text!r} 不是 unix 套接字的路径（最多 {_PATH_BYTES} 字节）",
            )
        return ListenAddress("", 0, path)
    host, colon, port = text.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    if ":" in host and not is_bracketed:
        raise WrongValue(
            f"{text!r} is not clear: an IPv6 address stands in brackets, such as [::1]:7860",
            f"{text!r} 有歧义：IPv6 地址须加方括号，例如 [::1]:7860",
        )
    host = host[1:-1] if is_bracketed else host
    if is_bracketed and not _is_ipv6(host):
        raise WrongValue(
            f"{text!r}: what stands in the brackets is no IPv6 address",
            f"{text!r}：方括号中不是 IPv6 地址",
        )
    if not colon or not host or not (port.isascii() and port.isdigit()):
        raise WrongValue(
            f"{text!r} is no address to listen on; write 0.0.0.0:7860, [::]:7860 or the path of "
            "a unix socket such as /run/seacod/http.sock",
            f"{text!r} 不是监听地址；请写 0.0.0.0:7860、[::]:7860 或 unix 套接字的路径，例如 "
            "/run/seacod/http.sock",
        )
    if not 1 <= int(port) <= 65535:
        raise WrongValue(
            f"{text!r}: a port is a number from 1 to 65535", f"{text!r}：端口须为 1 至 65535 的数字"
        )
    return ListenAddress(host, int(port))


def has_good_port(address: str) -> bool:
    """Whether the port is one, if HOST:PORT or an address with a scheme names any."""
    place = re.split(r"[/?#]", _SCHEME.sub("", address, count=1))[0]
    port = re.search(r":(\d+)$", place)
    return port is None or 1 <= int(port[1]) <= 65535


def check_port(address: str, named: str) -> None:
    """See whether the port is one, if HOST:PORT or an address with a scheme names any.

    Args:
        address: as it was given.
        named: the option or whatever it was given for.

    Raises:
        BadPort: it is none.
    """
    if not has_good_port(address):
        raise BadPort(
            f"{named} {address}: a port is a number from 1 to 65535".lstrip(),
            f"{named} {address}：端口须为 1 至 65535 的数字".lstrip(),
        )


def is_ipv6_only(address: ListenAddress, beside: Sequence[ListenAddress]) -> bool:
    """Whether `::` is to leave IPv4 to others: it takes both, unless one of the addresses beside it
    is of IPv4, with the same port."""
    return address.is_ipv6 and any(
        one.host and not one.is_ipv6 and one.port == address.port for one in beside
    )


@dataclass(frozen=True, slots=True)
class ReachableAddress:
    """How a listening socket is reached from here.

    Args:
        family: of the socket that connects.
        address: what it connects to, as `socket.connect` takes it.
        host: what the header `Host` says.
    """

    family: socket.AddressFamily
    address: Any
    host: str

    @classmethod
    def unix(cls, path: str) -> ReachableAddress:
        return cls(socket.AF_UNIX, path, "localhost")

    @classmethod
    def of(cls, listening: socket.socket) -> ReachableAddress:
        """That of a listening socket, by what it says itself."""
        name = listening.getsockname()
        if listening.family == socket.AF_UNIX:
            return cls(socket.AF_UNIX, name, "localhost")
        host, port, *more = name
        if host not in _ANY:
            return cls(listening.family, name, f"{bracketed(host)}:{port}")
        if listening.family == socket.AF_INET6 and _takes_ipv6_only(listening):
            return cls(socket.AF_INET6, ("::1", port, *more), f"[::1]:{port}")
        # Both families come in there, and IPv4 is on every machine's loopback.
        return cls(socket.AF_INET, ("127.0.0.1", port), f"127.0.0.1:{port}")

    @property
    def url(self) -> str:
        """For the client: `http://127.0.0.1:7860`, `unix:/run/seacod/http.sock`."""
        if self.family == socket.AF_UNIX:
            return f"{_UNIX}{shown_path(self.address)}"
        return f"http://{self.host}"


def shown(listening: socket.socket) -> str:
    """Where a socket listens, in words; of `::` whether IPv4 comes in, too."""
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        return shown_path(name)
    return f"{bracketed(name[0])}:{name[1]}"


def shown_path(name: str | bytes) -> str:
    """A unix socket's; an abstract one, which begins with a zero, as `@NAME`."""
    text = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
    return f"@{text[1:]}" if text.startswith("\0") else text


def bracketed(host: str) -> str:
    """As it stands before a port."""
    return f"[{host}]" if ":" in host else host


def _takes_ipv6_only(listening: socket.socket) -> bool:
    return bool(listening.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
