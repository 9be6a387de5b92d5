"""Clients under load, at a server that answers, turns away, breaks off."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from supervised import free_port, wait_until

from seacod.proving.load import ClientLoad

FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
# Of a request without a body, and of one with a recording.
END = (b"\r\n\r\n", b"--load--\r\n")
TORN = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nh"


@contextmanager
def server(*answers: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """One connection after the other, these answers on each; what came is in the list."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    for answer in answers:
                        request = b""
                        while not request.endswith(END[request[:4] == b"POST"]):
                            if not (chunk := connection.recv(65536)):
                                break
                            request += chunk
                        if not request:
                            break
                        heard.append(request)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, name="server")
        thread.start()
        yield listener.getsockname()[1], heard
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_each_end_has_its_name() -> None:
    for answer, what in ((FINE, "200"), (BUSY, "503"), (TORN, "cut"), (b"", "cut")):
        with server(answer) as (port, _), ClientLoad(port, clients=1) as load:
            wait_until(lambda load=load: load.seen.total() >= 2, "two requests")
        assert set(load.seen) == {what}
    with ClientLoad(free_port(), clients=1) as load:
        wait_until(lambda: load.seen["refused"] >= 2, "two that nobody took")
    assert load.failed() == dict(load.seen)


def test_a_client_with_patience_waits_between_its_requests_and_not_for_the_end() -> None:
    with (
        server(FINE, FINE) as (port, heard),
        ClientLoad(port, clients=1, pause_seconds=600) as load,
    ):
        wait_until(lambda: load.seen["200"], "an answer")
    assert len(heard) == 1


def test_a_recording_is_posted_with_the_key_and_connections_stay_open() -> None:
    with (
        server(FINE, FINE, FINE) as (port, heard),
        ClientLoad(
            port, clients=1, recording=b"sound", key="secret", requests_per_connection=3
        ) as load,
    ):
        wait_until(lambda: load.seen["200"] >= 3, "a connection used up")
    first, _, third = heard[:3]
    assert first.startswith(b"POST /transcribe HTTP/1.1\r\n")
    assert b"Authorization: Bearer secret\r\n" in first
    assert first.endswith(b"\r\n\r\nsound\r\n--load--\r\n")
    assert b"Connection: close" not in first
    assert b"Connection: close" in third
