"""Clients that never pause, and what became of each of their requests. Sockets rather than a
library of HTTP: what is refused, what is cut off and what hangs are told apart."""

from __future__ import annotations

import collections
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

# A request without an answer for so long hangs.
PATIENCE_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """One request of one of the clients. Times are those of time.time().

    `what`: the answer's status; cut (the connection broke before an answer: it was inside a process
    that died); refused (nobody listened); hung (no answer at all).
    """

    began: float
    ended: float
    what: str
    client: int = 0


class ClientLoad:
    """Clients that post all the time while the block runs; afterwards `outcomes` has every request.

    Args:
        port: of the service.
        clients: how many at once.
        recording: posted to /transcribe; without one, `GET /`.
        requests_per_connection: more than one keeps the connection open in between.
        pause_after_503_seconds: of a client that was turned away (507, too).
        host: of the service.
        key: an API key, where it asks for one.
    """

    def __init__(
        self,
        port: int,
        *,
        clients: int = 4,
        recording: Path | None = None,
        requests_per_connection: int = 1,
        pause_after_503_seconds: float = 0.0,
        host: str = "127.0.0.1",
        key: str | None = None,
    ) -> None:
        self.outcomes: list[RequestOutcome] = []
        self._address = (host, port)
        self._requests = requests_per_connection
        self._pause_seconds = pause_after_503_seconds
        self._head, self._body = _request(recording, key)
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._client, args=(n,), name=f"seacod-client-{n}")
            for n in range(clients)
        ]

    def __enter__(self) -> ClientLoad:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def seen(self) -> collections.Counter[str]:
        """How many requests ended how."""
        return collections.Counter(outcome.what for outcome in list(self.outcomes))

    def first_answer_after(self, moment: float) -> RequestOutcome | None:
        """The first request that began after this time and was answered 200."""
        good = [o for o in list(self.outcomes) if o.what == "200" and o.began > moment]
        return min(good, key=lambda outcome: outcome.ended, default=None)

    def failed(self) -> dict[str, int]:
        """How many requests ended otherwise than with 200, by outcome."""
        return {what: count for what, count in self.seen.items() if what != "200"}

    def _client(self, client: int) -> None:
        while not self._over.is_set():
            self._connection(client)

    def _connection(self, client: int) -> None:
        began = time.time()
        try:
            connection = socket.create_connection(self._address, PATIENCE_SECONDS)
        except ConnectionRefusedError:
            self.outcomes.append(RequestOutcome(began, time.time(), "refused", client))
            return
        with connection:
            for number in range(self._requests):
                what, stays_open = self._one(connection, is_last=number == self._requests - 1)
                self.outcomes.append(RequestOutcome(began, time.time(), what, client))
                if what in ("503", "507"):
                    self._over.wait(self._pause_seconds)
                began = time.time()
                if not stays_open or self._over.is_set():
                    break

    def _one(self, connection: socket.socket, *, is_last: bool) -> tuple[str, bool]:
        close = b"Connection: close\r\n" if is_last else b""
        try:
            connection.sendall(self._head + close + b"\r\n" + self._body)
            answer = b""
            while b"\r\n\r\n" not in answer:
                if not (chunk := connection.recv(65536)):
                    return "cut", False
                answer += chunk
            head, _, body = answer.partition(b"\r\n\r\n")
            lower = head.lower()
            length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
            while len(body) < length:
                if not (chunk := connection.recv(65536)):
                    return "cut", False
                body += chunk
        except TimeoutError:
            return "hung", False
        except ConnectionError:
            return "cut", False
        return answer[9:12].decode(), b"connection: close" not in lower


def _request(recording: Path | None, key: str | None) -> tuple[bytes, bytes]:
    """A request: its head without the last empty line, and its body."""
    lines = "Host: x\r\n" + (f"Authorization: Bearer {key}\r\n" if key else "")
    if recording is None:
        return f"GET / HTTP/1.1\r\n{lines}".encode(), b""
    body = (
        b'--load\r\nContent-Disposition: form-data; name="file"; filename="recording"\r\n\r\n'
        + recording.read_bytes()
        + b"\r\n--load--\r\n"
    )
    head = (
        f"POST /transcribe HTTP/1.1\r\n{lines}"
        "Content-Type: multipart/form-data; boundary=load\r\n"
        f"Content-Length: {len(body)}\r\n"
    )
    return head.encode(), body
