"""The sockets that systemd hands over at a start (sd_listen_fds(3)): those of socket units, and
those that an earlier life of the service has left in its file descriptor store. Called once.
"""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)

# Inherited descriptors start here.
_FIRST_DESCRIPTOR = 3


@dataclass(frozen=True, slots=True)
class Inherited:
    """
    Args:
        name: FDNAME= of the store, or FileDescriptorName= of a socket unit.
        socket: that listens.
    """

    name: str
    socket: socket.socket


def from_systemd() -> list[Inherited]:
    """All that listen, in systemd's order; the variables are used up. What does not listen is
    closed, and said: it would keep its clients waiting for ever."""
    pid = os.environ.pop("LISTEN_PID", "")
    count = os.environ.pop("LISTEN_FDS", "0")
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdigit():
        return []
    found = []
    for number in range(int(count)):
        name = names[number] if number < len(names) else ""
        descriptor = _FIRST_DESCRIPTOR + number
        if (problem := _problem(descriptor)) is not None:
            log.warning("socket_of_systemd_unusable", name=name, cause=problem)
            continue
        inherited = socket.socket(fileno=descriptor)
        os.set_inheritable(descriptor, False)
        inherited.setblocking(False)
        found.append(Inherited(name, inherited))
    return found


def _problem(descriptor: int) -> str | None:
    """Why nobody can be served on it; then it is closed."""
    try:
        one = socket.socket(fileno=descriptor)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.close(descriptor)
        return error.strerror or "no socket"
    families = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
    if one.family not in families or one.type != socket.SOCK_STREAM:
        one.close()
        return "neither TCP nor a unix stream (ListenStream= is what makes one)"
    if not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        one.close()
        return "it does not listen (Accept=yes, or it was shut down)"
    one.detach()
    return None
