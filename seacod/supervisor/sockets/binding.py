"""Makes listening sockets, by TCP and of unix; each thing that can be wrong is a sentence that
names the setting. Called by `acquire.py`."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seacod.errors import AddressInUse, AddressNotThere, ConfigError, SeacodError
from seacod.system.lasting import lasts
from seacod.system.net.listen_address import ListenAddress
from seacod.system.text.words import reason

# The kernel cuts it to net.core.somaxconn; connections wait here during a hand-over.
_BACKLOG = 4096


@dataclass(frozen=True, slots=True)
class Named:
    """Which settings say where, for messages.

    Args:
        host: of the host.
        port: of the port.
    """

    host: str
    port: str


def bind(address: ListenAddress, settings: Named, *, is_ipv6_only: bool = False) -> socket.socket:
    """A new listening socket.

    Args:
        address: where.
        settings: that say so.
        is_ipv6_only: `::` leaves IPv4 to others.

    Raises:
        AddressInUse: another program has the address.
        AddressNotThere: it is not this machine's for now, or nobody knows its name.
        ConfigError: it is no address, or needs root.
    """
    if address.path:
        return _unix(Path(address.path), settings.port)
    return _tcp(address, settings, is_ipv6_only=is_ipv6_only)


def resolved(address: ListenAddress, settings: Named) -> tuple[socket.AddressFamily, Any]:
    """Family and address of a host and port, as the kernel takes them.

    Raises:
        AddressNotThere: nobody knows the host for now.
        ConfigError: it is no name of a host.
    """
    try:
        family, _, _, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        # A name server that is not there yet says nothing of the name, or that there is none.
        of_kind = AddressNotThere if isinstance(error, socket.gaierror) else ConfigError
        raise of_kind(
            f"{settings.host}: {address.host!r} is not an address of this machine",
            f"{settings.host}：{address.host!r} 不是本机的地址",
        ) from None
    return family, where


def _tcp(address: ListenAddress, settings: Named, *, is_ipv6_only: bool) -> socket.socket:
    host, port = address.host, address.port
    family, where = resolved(address, settings)
    try:
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise _refused(address, settings, error) from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Whatever the machine's default is (net.ipv6.bindv6only).
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(is_ipv6_only))
        listening.bind(where)
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(
                f"{settings.port}: {port} on {host} is taken by another program "
                f"(ss -ltnp 'sport = :{port}' shows it); stop that one or choose another port",
                f"{settings.port}：{host} 的端口 {port} 已被其他程序占用；请停止该程序或另选端口",
            ) from None
        if error.errno == errno.EACCES:
            raise ConfigError(
                f"{settings.port}: {port} may only be used by root; choose one from 1024 up",
                f"{settings.port}：端口 {port} 仅 root 可用；请选择 1024 以上的端口",
            ) from None
        raise _refused(address, settings, error) from None
    return listening


def _refused(address: ListenAddress, settings: Named, error: OSError) -> SeacodError:
    why, chinese = reason(error)
    return (ConfigError if lasts(error) else AddressNotThere)(
        f"{settings.host}: cannot listen on {address}: {why}",
        f"{settings.host}：无法监听 {address}：{chinese}",
    )


def _unix(path: Path, setting: str) -> socket.socket:
    with contextlib.suppress(OSError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ConfigError(
                f"{setting}: {path} is there and is no socket; choose another path",
                f"{setting}：{path} 已存在且不是套接字；请另选路径",
            )
    if not is_left(path):
        raise AddressInUse(
            f"{setting}: {path} is taken by another program (ss -lxp shows it); stop that one or "
            "choose another path",
            f"{setting}：{path} 已被其他程序占用；请停止该程序或另选路径",
        )
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Of the service's user and group from its first moment.
    umask = os.umask(0o117)
    try:
        listening.bind(str(path))
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        why, chinese = reason(error)
        raise (ConfigError if lasts(error) else AddressNotThere)(
            f"{setting}: cannot listen on {path}: {why}; its directory must be there "
            "and the service's user must be allowed to write to it",
            f"{setting}：无法监听 {path}：{chinese}；其目录须存在且服务用户可写",
        ) from None
    finally:
        os.umask(umask)
    return listening


def is_left(path: Path) -> bool:
    """Whether nobody answers at the path of a unix socket any more; then it is removed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # Never waits: a unix socket takes a connection at once, or its queue is full.
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            with contextlib.suppress(OSError):
                path.unlink()
            return True
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            # It is full, or not for us: somebody has it.
            return False
    return False
