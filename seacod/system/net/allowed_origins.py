"""A set of web servers as people write it: `example.com`, `http://10.0.0.5:8080`, `*.example.com`,
separated by blanks. Used where a setting says whom the service may connect to because a client asks
for it. Never asks a name server.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from seacod.system.net.listen_address import bracketed
from seacod.system.text.words import WrongValue

PORTS = {"https": 443, "http": 80}
_ENTRY = re.compile(
    r"(?:(?P<scheme>https?)://)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?)"
    r"(?::(?P<port>[0-9]{1,5}))?/?"
)
_WELL_KNOWN_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class AllowedOrigin:
    """One entry; `host` is in small letters, without the brackets of an address."""

    scheme: str
    host: str
    port: int

    @property
    def is_wildcard(self) -> bool:
        """Whether it means all names below one, but not that one."""
        return self.host.startswith("*.")

    @property
    def is_address(self) -> bool:
        """Whether it is an address, and no name of one."""
        return _address(self.host) is not None

    def has(self, scheme: str, host: str, port: int) -> bool:
        """Whether it means this one."""
        if (scheme, port) != (self.scheme, self.port):
            return False
        if self.is_wildcard:
            return host.endswith(self.host[1:]) and _address(host) is None
        return host == self.host or (self.is_address and _address(host) == _address(self.host))

    def may_be_at(self, address: str) -> bool:
        """Whether its name may lead to this address.

        What is public always; this machine and private networks only where the entry is the whole
        name, so that nobody who may add names below `*.example.com` reaches them; what is
        link-local (such as the metadata of a cloud), multicast or reserved only where the entry is
        that address itself.
        """
        found = _address(address.partition("%")[0])
        if found is None:
            return False
        if self.is_address:
            return found == _address(self.host)
        if found.is_multicast or found.is_link_local or found.is_unspecified:
            return False
        # ::1 lies in what IPv6 has reserved.
        if found.is_reserved and not found.is_loopback:
            return False
        return found.is_global or not self.is_wildcard


class AllowedOrigins:
    """
    Args:
        text: the entries; https where an entry does not say http, the usual port where it has none.

    Raises:
        ValueError: one of them is none.
    """

    def __init__(self, text: str) -> None:
        self._entries = tuple(_entry(one) for one in text.split())

    def __bool__(self) -> bool:
        return bool(self._entries)

    def find(self, scheme: str, host: str, port: int) -> AllowedOrigin | None:
        """The entry that means this one, one with the whole name first."""
        found = [one for one in self._entries if one.has(scheme, host.lower(), port)]
        return min(found, key=lambda one: one.is_wildcard, default=None)


def written(scheme: str, host: str, port: int) -> str:
    """An entry for this one, as people write it."""
    ending = "" if port == PORTS[scheme] else f":{port}"
    return f"{scheme}://{bracketed(host)}{ending}"


def _entry(text: str) -> AllowedOrigin:
    match = _ENTRY.fullmatch(text)
    port = int(match["port"] or 0) if match is not None else 0
    if match is None or port > 65535 or (match["port"] and not port):
        raise WrongValue(
            f"{text[:80]!r} is no host; write example.com, https://example.com:8443, "
            "http://10.0.0.5:8080 or *.example.com",
            f"{text[:80]!r} 不是主机；请写 example.com、https://example.com:8443、"
            "http://10.0.0.5:8080 或 *.example.com",
        )
    scheme = match["scheme"] or "https"
    return AllowedOrigin(scheme, match["host"].lower().strip("[]"), port or PORTS[scheme])


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address it is, the one inside where it only carries another."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        if found in _WELL_KNOWN_NAT64:
            return ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        return found.ipv4_mapped or found.sixtofour or found
    return found
