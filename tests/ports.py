"""Ports for services that tests start.

What the kernel hands out itself (`bind` to port 0) may be an outgoing connection's a moment later,
before the service that it is meant for listens. These lie below all of those, and each process of
tests has its own share.
"""

from __future__ import annotations

import errno
import os
import random
import socket
from pathlib import Path

_LOWEST = 12_000
_SHARES = 8
_given: set[int] = set()


def free_port() -> int:
    """One that nobody listens at, and that was not handed out before."""
    outgoing = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0]
    share = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _SHARES
    ports = [
        port
        for port in range(_LOWEST, min(32_768, int(outgoing)))
        if port % _SHARES == share and port not in _given
    ]
    for port in random.sample(ports, len(ports)):
        with socket.socket() as probe:
            # As servers do: what is only left of a closed connection is in nobody's way.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
        _given.add(port)
        return port
    raise AssertionError("no port is free")
