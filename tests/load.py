"""Clients that open connections without pause, and what became of each request."""

from __future__ import annotations

import collections
import socket
import threading
from types import TracebackType

from supervised import PATIENCE_SECONDS


class Load:
    """Runs as a context manager; afterwards `seen` counts the outcomes.

    200, 503, ...: the answer's status. cut: the connection broke before an answer (it was inside a
    process that was killed). refused: nobody listened. hung: no answer at all.

    Args:
        port: of the service on this machine.
        clients: how many at once.
        requests_per_connection: more than one keeps the connection open in between.
    """

    def __init__(
        self, port: int, *, clients: int = 4, path: str = "/", requests_per_connection: int = 1
    ) -> None:
        self.seen: collections.Counter[str] = collections.Counter()
        self._port = port
        self._requests = requests_per_connection
        self._path = path
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._client, name=f"client-{n}") for n in range(clients)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def answered(self, status: int = 200) -> int:
        """How many requests were answered so so far."""
        with self._lock:
            return self.seen[str(status)]

    def failed(self) -> dict[str, int]:
        """Outcomes other than 200."""
        return {outcome: count for outcome, count in self.seen.items() if outcome != "200"}

    def _client(self) -> None:
        while not self._over.is_set():
            for outcome in self._connection():
                with self._lock:
                    self.seen[outcome] += 1

    def _connection(self) -> list[str]:
        """What became of each request of one connection."""
        outcomes: list[str] = []
        try:
            connection = socket.create_connection(("127.0.0.1", self._port), PATIENCE_SECONDS)
        except ConnectionRefusedError:
            return ["refused"]
        with connection:
            for number in range(self._requests):
                is_last = number == self._requests - 1
                outcome, stays_open = self._request(connection, is_last)
                outcomes.append(outcome)
                if not stays_open:
                    break
        return outcomes

    def _request(self, connection: socket.socket, is_last: bool) -> tuple[str, bool]:
        close = "Connection: close\r\n" if is_last else ""
        try:
            connection.sendall(f"GET {self._path} HTTP/1.1\r\nHost: x\r\n{close}\r\n".encode())
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
