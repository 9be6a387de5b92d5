"""The proxies that the environment names (`https_proxy`, `all_proxy`, `no_proxy` and so on).

Libraries read these variables at unexpected moments, and fail over what they cannot use. Here is
what may be used for an address, and what cannot work, in a sentence that names the variable. Used
by the alerts, the download of models and whoever imports such libraries. Own services are never
asked through one.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from seacod.system.text.words import Words

_HTTP = ("http", "https")
_SOCKS = ("socks4", "socks4a", "socks5", "socks5h", "socks")
_DIRECT = "localhost"
_CHOSEN = ("{}_proxy", "all_proxy")


@dataclass(frozen=True, slots=True)
class Proxy:
    """
    Args:
        variable: that names it.
        url: as it stands there, with a scheme.
    """

    variable: str
    url: str

    @property
    def scheme(self) -> str:
        return self.url.partition("://")[0].lower()

    @property
    def is_socks(self) -> bool:
        return self.scheme in _SOCKS

    @property
    def problem(self) -> Words | None:
        """Why requests and alerts cannot go through it, in a sentence that names the variable and
        not what it says, which may hold a password; None when they can."""
        try:
            parts = urlsplit(self.url)
            is_address = bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            is_address = False
        if self.is_socks:
            return (
                f"the environment variable {self.variable} names a SOCKS proxy ({self.scheme}://), "
                "which cannot be used here; name an HTTP proxy in https_proxy, or this host in "
                "no_proxy",
                f"环境变量 {self.variable} 指定的是 SOCKS 代理（{self.scheme}://），此处无法使用；"
                "请在 https_proxy 中设置 HTTP 代理，或在 no_proxy 中列出该主机",
            )
        if self.scheme not in _HTTP or not is_address:
            return (
                f"the environment variable {self.variable} is no address of a proxy, such as "
                "http://10.0.0.1:3128",
                f"环境变量 {self.variable} 不是代理地址，例如 http://10.0.0.1:3128",
            )
        return None


def proxy_for(url: str, environment: Mapping[str, str] | None = None) -> Proxy | None:
    """The proxy by which an address is reached; None for none.

    Args:
        url: of http or https.
        environment: the variables; None for this process's.
    """
    found = os.environ if environment is None else environment
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_direct(host, parts.port, _value(found, "no_proxy")[1]):
        return None
    for form in _CHOSEN:
        variable, value = _value(found, form.format(parts.scheme.lower()))
        if value:
            return Proxy(variable, value if "://" in value else f"http://{value}")
    return None


def is_direct(host: str, port: int | None, no_proxy: str) -> bool:
    """Whether a host is reached without a proxy: this machine always, and what `no_proxy` names.

    Args:
        host: a name or an address, without brackets.
        port: of the address; None for the scheme's.
        no_proxy: names with what is below them, addresses, networks (`10.0.0.0/8`), `*`; separated
            by commas or blanks, each with a port or without.
    """
    name = host.lower().rstrip(".")
    address = _address(name)
    if name == _DIRECT or name.endswith(f".{_DIRECT}"):
        return True
    if address is not None and (address.is_loopback or address.is_unspecified):
        return True
    return any(
        _matches(name, address, port, one) for one in no_proxy.lower().replace(",", " ").split()
    )


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Without these variables while the block runs, for what reads them without having a use for
    them. For a process with one thread."""
    names = [name for name in os.environ if name.lower().endswith("_proxy")]
    kept = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(kept)


def _matches(
    name: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None, port: int | None,
    one: str,
) -> bool:  # fmt: skip
    if one == "*":
        return True
    with contextlib.suppress(ValueError):
        network = ipaddress.ip_network(one.strip("[]"), strict=False)
        return address is not None and address in network
    head, colon, tail = one.rpartition(":")
    if colon and tail.isdigit():
        return port == int(tail) and _matches(name, address, None, head)
    domain = one.removeprefix("*").strip(".")
    return bool(domain) and (name == domain or name.endswith(f".{domain}"))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _value(environment: Mapping[str, str], name: str) -> tuple[str, str]:
    """A variable as it is written, the small letters first, as everybody does."""
    for variable in (name, name.upper()):
        if value := environment.get(variable, "").strip():
            return variable, value
    return name, ""
