"""Bytes to a service and its answer, by hand: what is sent is wrong on purpose. Every address of
127.0.0.0/8 is this machine, so each attacker has one of its own."""

from __future__ import annotations

import contextlib
import socket
import ssl
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

_MOST_BYTES = 1 << 20
Door = Literal["main", "metrics", "funasr"]


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send, from which address, with which key; and where its other ports are."""

    host: str
    port: int
    source: str
    metrics_port: int = 0
    funasr_port: int = 0
    key: str = ""

    @classmethod
    def of(
        cls, url: str, source: str, metrics_url: str = "", funasr_url: str = "", key: str = ""
    ) -> Target:
        address, metrics, funasr = urlsplit(url), urlsplit(metrics_url), urlsplit(funasr_url)
        return cls(
            address.hostname or "", address.port or 80, source, metrics.port or 0,
            funasr.port or 0, key,
        )  # fmt: skip

    def connect(self, timeout_seconds: float = 60.0, to: Door = "main") -> socket.socket:
        """A connection to one of the ports."""
        port = {"main": self.port, "metrics": self.metrics_port, "funasr": self.funasr_port}[to]
        return socket.create_connection((self.host, port), timeout_seconds, (self.source, 0))

    def connect_by_tls(self, timeout_seconds: float = 60.0) -> ssl.SSLSocket:
        """A connection to FunASR's port, as its clients make it: whoever has signed."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(self.connect(timeout_seconds, "funasr"))

    def head(self, method: str, path: str, *headers: str) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}", *headers]
        if self.key:
            lines.append(f"X-API-Key: {self.key}")
        return "\r\n".join([*lines, "", ""]).encode()


def exchange(target: Target, sent: bytes, timeout_seconds: float = 60.0) -> tuple[str, bytes]:
    """Send it all and read what comes, to the end of the answer or of patience.

    Returns:
        The status, or in a word how it ended; the whole answer.
    """
    with contextlib.ExitStack() as stack:
        try:
            connection = stack.enter_context(target.connect(timeout_seconds))
        except OSError:
            return "not connected", b""
        with contextlib.suppress(OSError):
            connection.sendall(sent)
        return read_answer(connection)


def read_answer(connection: socket.socket) -> tuple[str, bytes]:
    """What comes until the answer is whole or the other side closes."""
    said = b""
    try:
        while len(said) < _MOST_BYTES:
            chunk = connection.recv(65536)
            if not chunk:
                break
            said += chunk
            head, end, body = said.partition(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0].strip()
            if end and length.isdigit() and len(body) >= int(length):
                break
    except TimeoutError:
        return ("no answer" if not said else status_of(said)), said
    except OSError:
        return ("cut" if not said else status_of(said)), said
    return (status_of(said) if said else "closed"), said


def status_of(said: bytes) -> str:
    words = said[:20].split(b" ")
    return words[1].decode("latin-1") if len(words) > 1 and words[1].isdigit() else "no HTTP"


def form(*parts: tuple[str, bytes], boundary: str = "x") -> bytes:
    """A multipart body of dispositions and contents."""
    return (
        b"".join(
            f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode()
            + content
            + b"\r\n"
            for disposition, content in parts
        )
        + f"--{boundary}--\r\n".encode()
    )


def post(target: Target, path: str, body: bytes, *headers: str, boundary: str = "x") -> bytes:
    """A whole request with a form."""
    kind = f"Content-Type: multipart/form-data; boundary={boundary}"
    length = f"Content-Length: {len(body)}"
    return target.head("POST", path, kind, length, "Connection: close", *headers) + body


def transcribe(target: Target, content: bytes, timeout_seconds: float = 60.0) -> tuple[str, str]:
    """Status and text of a recording."""
    body = form(('name="file"; filename="a.wav"', content))
    status, said = exchange(target, post(target, "/transcribe", body), timeout_seconds)
    return status, said.decode("utf-8", "replace")
