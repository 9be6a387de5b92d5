"""More connections than there are descriptors: those who ask for something are served, and the
worker is not taken for hung."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator

import pytest
import sounds
from supervised import PATIENCE_SECONDS, Service, wait_until

HELD = 800


class Few(Service):
    """A service with few descriptors."""

    @property
    def command(self) -> list[str]:
        return ["sh", "-c", 'ulimit -n 400; exec "$@"', "sh", *super().command]


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Few(tmp_path_factory.mktemp("few"))
    service.configure(
        supervisor={"probe_interval_seconds": 0.8, "probe_timeout_seconds": 2, "probe_failures": 20}
    )
    with service.running():
        yield service


def half_a_head(port: int) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
    one.sendall(b"POST /transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: ")
    return one


@pytest.mark.parametrize("where", ["port", "metrics_port"])
def test_half_sent_heads_keep_nobody_out(few: Service, where: str) -> None:
    before = few.worker_pid()
    held = [half_a_head(getattr(few, where)) for _ in range(HELD)]
    try:
        for _ in range(10):
            assert few.client().transcribe(sounds.SPEECH).text == sounds.SPEECH_TEXT
            assert few.get("/health")[0] == 200
            assert "asr_" in few.metrics()
    finally:
        for one in held:
            one.close()
    assert few.worker_pid() == before
    assert not few.events("worker_hung")


def half_an_upload(port: int) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
    one.sendall(
        b"POST /transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
    )
    return one


def test_a_worker_whose_places_are_all_taken_is_not_taken_for_hung(few: Service) -> None:
    before = few.worker_pid()
    # As few as it takes: none of the probes below may count as one.
    few.configure(
        supervisor={"probe_interval_seconds": 0.8, "probe_timeout_seconds": 2, "probe_failures": 3}
    )
    few.signal(signal.SIGHUP)
    wait_until(lambda: few.events("configuration_reloaded"), "the settings")
    held = [half_an_upload(few.port) for _ in range(HELD // 2)]

    def is_full() -> bool:
        # A place that was somebody else's for a moment is taken, too.
        held.append(half_an_upload(few.port))
        return len(few.events("probe_not_let_in")) >= 4

    try:
        wait_until(is_full, "probes that find no place")
    finally:
        for one in held:
            one.close()
    assert few.worker_pid() == before
    wait_until(lambda: few.get("/health")[0] == 200, "it answers again")
