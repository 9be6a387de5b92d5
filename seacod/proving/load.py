"""Clients that ask all the time, and what became of each request: refused, cut off and hung are
told apart. Nothing is sent twice behind their backs, and little is computed: the service under load
has the same cores."""

from __future__ import annotations

import collections
import contextlib
import threading
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
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
        recording: the bytes of the file that is posted to /transcribe; without one, `GET /`.
        requests_per_connection: more than one keeps the connection open in between.
        pause_after_503_seconds: of a client that was turned away (507, too).
        pause_seconds: of a client that has its answer.
        host: of the service.
        key: an API key, where it asks for one.
    """

    def __init__(
        self,
        port: int,
        *,
        clients: int = 4,
        recording: bytes | None = None,
        requests_per_connection: int = 1,
        pause_after_503_seconds: float = 0.0,
        pause_seconds: float = 0.0,
        host: str = "127.0.0.1",
        key: str | None = None,
    ) -> None:
        self.outcomes: list[RequestOutcome] = []
        self._address = (host, port)
        self._requests = requests_per_connection
        self._pause_after_503_seconds = pause_after_503_seconds
        self._pause_seconds = pause_seconds
        self._method, self._path, self._body = "GET", "/", b""
        self._headers: dict[str, str] = {}
        if recording is not None:
            self._method, self._path, self._body = "POST", "/transcribe", _form(recording)
            self._headers["Content-Type"] = "multipart/form-data; boundary=load"
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
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
        with contextlib.closing(HTTPConnection(*self._address, timeout=PATIENCE_SECONDS)) as one:
            try:
                one.connect()
            except ConnectionRefusedError:
                self.outcomes.append(RequestOutcome(began, time.time(), "refused", client))
                return
            for number in range(self._requests):
                what, stays_open = self._ask(one, is_last=number == self._requests - 1)
                self.outcomes.append(RequestOutcome(began, time.time(), what, client))
                is_away = what in ("503", "507")
                self._over.wait(self._pause_after_503_seconds if is_away else self._pause_seconds)
                began = time.time()
                if not stays_open or self._over.is_set():
                    break

    def _ask(self, connection: HTTPConnection, *, is_last: bool) -> tuple[str, bool]:
        close = {"Connection": "close"} if is_last else {}
        try:
            connection.request(self._method, self._path, self._body, {**self._headers, **close})
            answer = connection.getresponse()
            answer.read()
        except TimeoutError:
            return "hung", False
        except (ConnectionError, HTTPException):
            return "cut", False
        return str(answer.status), not answer.will_close


def _form(recording: bytes) -> bytes:
    return (
        b'--load\r\nContent-Disposition: form-data; name="file"; filename="recording"\r\n\r\n'
        + recording
        + b"\r\n--load--\r\n"
    )
