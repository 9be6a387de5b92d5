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


def acquire(host: str, port: int) -> Listener:
    """The socket from systemd if there is one, otherwise a new one on `host` and `port`.

    Raises:
        AddressInUse: another program has the port.
        ConfigError: the address is not one of this machine, or the port needs root.
    """
    inherited = _from_systemd()
    if inherited is not None:
        return Listener(inherited, is_from_systemd=True)
    return Listener(bind(host, port, "server"), is_from_systemd=False)


def warn_of_ignored_address(listener: Listener, port: int) -> None:
    """With a socket from systemd the configured port has no effect: say so, once."""
    if listener.is_from_systemd and port not in (listener.port, 7860):
        log.warning(
            "server_port_ignored",
            configured=port,
            listening=listener.port,
            hint="seacod.socket decides: systemctl edit seacod.socket",
        )


def _from_systemd() -> socket.socket | None:
    """The first inherited stream socket (sd_listen_fds(3)); the variables are used up."""
    pid = os.environ.pop("LISTEN_PID", "")
    count = os.environ.pop("LISTEN_FDS", "0")
    os.environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdigit():
        return None
    for descriptor in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + int(count)):
        inherited = socket.socket(fileno=descriptor)
        is_tcp = inherited.family in (socket.AF_INET, socket.AF_INET6)
        if is_tcp and inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            os.set_inheritable(descriptor, False)
            inherited.setblocking(False)
            return inherited
        inherited.detach()
    return None


def bind(host: str, port: int, section: str) -> socket.socket:
    """A new listening socket; `section` is that of the settings it stands in, for messages.

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
                f"{section}.port: {port} on {host} is taken by another program "
                f"(ss -ltnp 'sport = :{port}' shows it); stop that one or choose another port",
                f"{section}.port：{host} 的端口 {port} 已被其他程序占用；请停止该程序或另选端口",
            ) from None
        if error.errno == errno.EACCES:
            raise ConfigError(
                f"{section}.port: {port} may only be used by root; choose one from 1024 up"
            ) from None
        raise ConfigError(
            f"{section}.host: cannot listen on {host}:{port}: {error.strerror}"
        ) from None
    return listening
