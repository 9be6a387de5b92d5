"""A socket that listens, and all those of a service. What opens them is `acquire.py`.

Everything else gets its sockets handed in; nobody binds one a second time.
"""

from __future__ import annotations

import enum
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from seacod.system.net import listen_address
from seacod.system.net.listen_address import ReachableAddress


class Serves(enum.Enum):
    """What is served on a socket; the value is how it is named."""

    HTTP = "http"
    """Page and API."""
    FUNASR = "funasr"
    """FunASR's protocol."""
    METRICS = "metrics"


@dataclass(frozen=True, slots=True)
class Listener:
    """
    Args:
        socket: that listens.
        is_kept: whether systemd has it, too, so that it stays open when we are gone.
        is_from_unit: whether a socket unit gave it, which then decides on the address.
    """

    socket: socket.socket
    is_kept: bool
    is_from_unit: bool = False

    @property
    def address(self) -> str:
        """Where it listens, such as `0.0.0.0:7860`."""
        return listen_address.shown(self.socket)

    @property
    def port(self) -> int:
        """TCP's; 0 of a unix socket."""
        return 0 if self.socket.family == socket.AF_UNIX else int(self.socket.getsockname()[1])

    @property
    def target(self) -> ReachableAddress:
        """How it is reached from this machine."""
        return ReachableAddress.of(self.socket)

    @property
    def local_url(self) -> str:
        """An address that works on this machine."""
        return self.target.url


@dataclass(frozen=True, slots=True)
class Listeners:
    """
    Args:
        http: of page and API; at least one.
        funasr: of FunASR's protocol, where it has a port of its own.
        metrics: of the metrics page, unless it is switched off.
    """

    http: tuple[Listener, ...]
    funasr: tuple[Listener, ...]
    metrics: tuple[Listener, ...]

    @property
    def local_url(self) -> str:
        """Where page and API are reached on this machine, by TCP where there is any."""
        first = next((one for one in self.http if one.port), self.http[0])
        return first.local_url

    def funasr_url(self, tls: str) -> str | None:
        """Where FunASR's clients of this machine connect; None without a port of their own.

        Args:
            tls: server.funasr_tls.
        """
        if not self.funasr:
            return None
        scheme = "ws" if tls == "off" else "wss"
        return f"{scheme}{self.funasr[0].local_url.removeprefix('http')}"

    def all(self) -> Iterator[tuple[Serves, Listener]]:
        """Each with what is served on it."""
        for serves in Serves:
            for listener in getattr(self, serves.value):
                yield serves, listener

    def described(self) -> list[dict[str, object]]:
        """For the status."""
        return [
            {
                "address": listener.address,
                "url": listener.local_url,
                "serves": serves.value,
                "from_unit": listener.is_from_unit,
            }
            for serves, listener in self.all()
        ]
