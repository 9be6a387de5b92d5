"""What a service answers while its model is busy: the model stands still as long as a test looks
(tests/faults/faulty_worker.py)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import sounds
from supervised import PATIENCE_SECONDS, Faulty, wait_until

# With the model, and waiting.
AT_ONCE, QUEUE_LENGTH = 2, 3
CLIENTS = 16
SPEECH = sounds.SPEECH.read_bytes()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    one = Faulty(tmp_path_factory.mktemp("held"))
    one.configure(limits={"queue_length": QUEUE_LENGTH, "concurrent_requests": AT_ONCE})
    with one.running():
        yield one


@pytest.fixture(scope="module")
def client(service: Faulty) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=PATIENCE_SECONDS, trust_env=False) as one:
        yield one


def post(client: httpx.Client) -> httpx.Response:
    return client.post("/transcribe", files={"file": ("a.wav", SPEECH)})


def failures(service: Faulty, reason: str) -> float:
    """How many requests have failed so, by the metrics."""
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in service.metrics().splitlines()
        if line.startswith("asr_requests_failed_total{") and f'reason="{reason}"' in line
    )


def in_flight(client: httpx.Client) -> int:
    return int(client.get("/health").json()["in_flight"])


def submit(client: httpx.Client, count: int) -> str:
    files = [("files", (f"{number}.wav", SPEECH)) for number in range(count)]
    answer = client.post("/batch_transcribe", files=files)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job"])


def test_a_full_queue_answers_503_at_once_and_loses_nobody(
    client: httpx.Client, service: Faulty
) -> None:
    too_many = CLIENTS - AT_ONCE - QUEUE_LENGTH
    before = failures(service, "queue_full")
    with ThreadPoolExecutor(CLIENTS) as clients:
        with service.holding():
            asked = [clients.submit(post, client) for _ in range(CLIENTS)]
            wait_until(lambda: sum(one.done() for one in asked) >= too_many, "refusals")
            assert in_flight(client) == AT_ONCE + QUEUE_LENGTH
            refused = [one.result() for one in asked if one.done()]
            assert [answer.status_code for answer in refused] == [503] * too_many
        heard = [one.result() for one in asked if one.result() not in refused]
    for answer in refused:
        error: dict[str, Any] = answer.json()["error"]
        assert error["code"] == "queue_full"
        assert error["message_zh"] != error["message"]
        assert int(answer.headers["retry-after"]) == error["retry_after_seconds"] >= 1
    assert [answer.json()["text"] for answer in heard] == [sounds.SPEECH_TEXT] * 5
    assert failures(service, "queue_full") - before == too_many
    assert post(client).json()["text"] == sounds.SPEECH_TEXT


def test_a_client_that_goes_away_frees_its_place(client: httpx.Client, service: Faulty) -> None:
    before = failures(service, "canceled")
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        + SPEECH
        + b"\r\n--x--\r\n"
    )
    request = (
        b"POST /transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n"
        + f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    with service.holding():
        for _ in range(AT_ONCE + 1):
            with socket.create_connection(("127.0.0.1", service.port)) as connection:
                connection.sendall(request)
                wait_until(lambda: in_flight(client), "a request in flight")
            wait_until(lambda: not in_flight(client), "its place free again")
    wait_until(lambda: failures(service, "canceled") == before + AT_ONCE + 1, "the count")
    assert post(client).json()["text"] == sounds.SPEECH_TEXT


def test_a_batch_is_canceled_while_it_is_heard(client: httpx.Client, service: Faulty) -> None:
    with service.holding():
        job = submit(client, 5)
        wait_until(lambda: client.get(f"/jobs/{job}").json()["counts"].get("running"), "work")
        answer = client.delete(f"/jobs/{job}")
        assert answer.status_code == 200
        assert answer.json()["state"] == "canceled"
        assert answer.json()["counts"] == {"canceled": 5}
        again = client.delete(f"/jobs/{job}", params={"only": "open"})
        assert again.status_code == 409
        assert again.json()["error"]["code"] == "conflict"
    # What was with the model comes too late to count.
    assert client.get(f"/jobs/{job}").json()["counts"] == {"canceled": 5}


def test_results_before_anything_is_finished_are_a_conflict(
    client: httpx.Client, service: Faulty
) -> None:
    with service.holding():
        job = submit(client, 2)
        refused = client.get(f"/jobs/{job}/results")
        assert refused.status_code == 409
        assert "is finished yet" in refused.json()["error"]["message"]
    wait_until(lambda: client.get(f"/jobs/{job}").json()["state"] == "done", "the batch")
    assert client.get(f"/jobs/{job}/results").status_code == 200
