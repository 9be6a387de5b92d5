"""Network addresses: a set as people write it (addresses and networks, separated by blanks), used
where a setting names proxies, and an address as it is counted. Never asks a name server.
"""

from __future__ import annotations

import ipaddress

from seacod.system.text.words import WrongValue

# The address of who comes by a unix socket, which has none.
UNIX = "unix"


class AddressSet:
    """
    Args:
        text: such as `127.0.0.1 10.0.0.0/8 ::1`; `unix` is whoever comes by a unix socket.

    Raises:
        WrongValue: one of them is neither an address nor a network.
    """

    def __init__(self, text: str) -> None:
        self.texts = text.split()
        self._networks = [_network(one) for one in self.texts if one != UNIX]

    def __bool__(self) -> bool:
        return bool(self.texts)

    def __contains__(self, address: object) -> bool:
        if address == UNIX:
            return UNIX in self.texts
        if not self._networks:
            return False
        found = _read(str(address))
        return found is not None and any(found in network for network in self._networks)


def counted(address: str) -> str:
    """An address as it is counted, where each client has its share: of IPv6 its /64, since a
    customer has at least 2^64 addresses (RFC 6177); what is no address as it is."""
    one = _read(address)
    if one is None:
        return address[:100]
    if isinstance(one, ipaddress.IPv4Address) or one.is_loopback:
        return str(one)
    return str(ipaddress.ip_network((one, 64), strict=False))


def _read(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address without its zone, of IPv4 where it only looks like IPv6; None where it is none."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise WrongValue(
            f"{text!r} is neither an address nor a network, such as 10.0.0.5 or 10.0.0.0/8",
            f"{text!r} 不是地址或网段，例如 10.0.0.5 或 10.0.0.0/8",
        ) from None
