"""What an input is, and how those that are no single request are sent: frames of a WebSocket,
connections that are held."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from dataclasses import dataclass

from attacking.wire import Door, Target

_PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Input:
    """Something to send: `send` gives the status of the answer, or how it ended otherwise."""

    name: str
    send: Callable[[Target], str]
    weight: int = 1


def holding(sent: bytes, count: int, door: Door = "main") -> Callable[[Target], str]:
    """So many connections at once on which this and nothing more is said."""

    def send(target: Target) -> str:
        with contextlib.ExitStack() as stack:
            for _ in range(count):
                with contextlib.suppress(OSError):
                    one = stack.enter_context(target.connect(5.0, door))
                    one.sendall(sent)
        return "held"

    return send


def frame(body: bytes, kind: int) -> bytes:
    """A whole message of a WebSocket, masked with zeros."""
    length = len(body)
    head = bytes([0x80 | kind])
    if length < 126:
        head += bytes([0x80 | length])
    elif length < 1 << 16:
        head += b"\xfe" + struct.pack(">H", length)
    else:
        head += b"\xff" + struct.pack(">Q", length)
    return head + bytes(4) + body


def upgrade(target: Target, path: str) -> bytes:
    """The request that opens a WebSocket."""
    return target.head(
        "GET", path, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Extensions: permessage-deflate",
    )  # fmt: skip


def talking(
    frames: bytes,
    path: str = "/live",
    *,
    by_tls: bool = False,
    patience_seconds: float = _PATIENCE_SECONDS,
) -> Callable[[Target], str]:
    """These frames on a WebSocket of this path; by TLS on FunASR's port."""

    def send(target: Target) -> str:
        with contextlib.suppress(OSError):
            connection = (
                target.connect_by_tls(patience_seconds)
                if by_tls
                else target.connect(patience_seconds)
            )
            with connection:
                connection.sendall(upgrade(target, path))
                if b" 101 " not in connection.recv(4096):
                    return "no WebSocket"
                with contextlib.suppress(OSError):
                    connection.sendall(frames)
                    connection.recv(65536)
                return "WebSocket"
        return "cut"

    return send
