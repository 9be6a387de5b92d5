"""The listening socket: taken over from systemd, or bound by ourselves. Opened once, here.

Everything else gets the socket handed in; nobody binds it a second time.
"""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass

import structlog

from seacod.errors import AddressInUse, ConfigError

log = structlog.get_logger(__name__)

# sd_listen_fds(3): inherited descriptors start here.
_FIRST_DESCRIPTOR = 3
# The kernel cuts it to net.core.somaxconn; connections wait here during a hand-over.
_BACKLOG = 4096


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that listens, and whether systemd keeps it open when we are gone."""

    socket: socket.socket
    is_from_systemd: bool

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    @property
    def host(self) -> str:
        return str(self.socket.getsockname()[0])

    @property
    def local_url(self) -> str:
        """An address that works in a browser on this machine."""
        host = self.host
        if host in ("0.0.0.0", "::"):  # noqa: S104
            host = "127.0.0.1"
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Listeners:
    """Page and API, and FunASR's protocol, where that has a port of its own."""

    main: Listener
    funasr: Listener | None

    @property
    def sockets(self) -> list[socket.socket]:
        """In the order in which workers are given them."""
        return [one.socket for one in (self.main, self.funasr) if one is not None]

    def funasr_url(self, tls: str) -> str | None:
        """Where FunASR's clients of this machine connect; None without a port of their own.

        Args:
            tls: server.funasr_tls.
        """
        if self.funasr is None:
            return None
        scheme = "ws" if tls == "off" else "wss"
        return f"{scheme}{self.funasr.local_url.removeprefix('http')}"


def acquire(host: str, port: int, funasr_port: int) -> Listeners:
    """Each socket from systemd if it has one, otherwise a new one on `host` and its port.

    Args:
        host: address to listen on.
        port: of page and API; of a socket from systemd it does not matter.
        funasr_port: of FunASR's protocol; 0 for none. A socket from systemd has to be on it.

    Raises:
        AddressInUse: another program has a port.
        ConfigError: the address is not one of this machine, or a port needs root.
    """
    inherited = [Listener(one, is_from_systemd=True) for one in _from_systemd()]
    funasr = None
    if funasr_port:
        funasr = next((one for one in inherited if one.port == funasr_port), None)
        if funasr is not None:
            inherited.remove(funasr)
    main = inherited[0] if inherited else Listener(bind(host, port, "server"), False)
    if funasr_port and funasr is None:
        funasr = Listener(bind(host, funasr_port, "server", "funasr_port"), False)
    return Listeners(main, funasr)


def warn_of_ignored_address(listener: Listener, port: int) -> None:
    """With a socket from systemd the configured port has no effect: say so, once."""
    if listener.is_from_systemd and port not in (listener.port, 7860):
        log.warning(
            "server_port_ignored",
            configured=port,
            listening=listener.port,
            hint="seacod.socket decides: systemctl edit seacod.socket",
        )


def _from_systemd() -> list[socket.socket]:
    """The inherited stream sockets (sd_listen_fds(3)); the variables are used up."""
    pid = os.environ.pop("LISTEN_PID", "")
    count = os.environ.pop("LISTEN_FDS", "0")
    os.environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdigit():
        return []
    found = []
    for descriptor in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + int(count)):
        inherited = socket.socket(fileno=descriptor)
        is_tcp = inherited.family in (socket.AF_INET, socket.AF_INET6)
        if is_tcp and inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            os.set_inheritable(descriptor, False)
            inherited.setblocking(False)
            found.append(inherited)
        else:
            inherited.detach()
    return found


def bind(host: str, port: int, section: str, key: str = "port") -> socket.socket:
    """A new listening socket.

    Args:
        host: address to listen on.
        port: the port.
        section: that of the settings it stands in, for messages.
        key: the setting.

    Raises:
        AddressInUse, ConfigError: see `acquire`.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror:
        raise ConfigError(f"{section}.host: {host!r} is not an address of this machine") from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(
                f"{section}.{key}: {port} on {host} is taken by another program "
                f"(ss -ltnp 'sport = :{port}' shows it); stop that one or choose another port",
                f"{section}.{key}：{host} 的端口 {port} 已被其他程序占用；请停止该程序或另选端口",
            ) from None
        if error.errno == errno.EACCES:
            raise ConfigError(
                f"{section}.{key}: {port} may only be used by root; choose one from 1024 up"
            ) from None
        raise ConfigError(
            f"{section}.host: cannot listen on {host}:{port}: {error.strerror}"
        ) from None
    return listening
