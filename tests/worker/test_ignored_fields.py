"""What a request carries and nobody reads is told in its answer, on each way in."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import sounds
from patience import connect
from supervised import PATIENCE_SECONDS, Service, wait_until

SPEECH = {"file": ("a.flac", sounds.SPEECH.read_bytes())}


@pytest.fixture(scope="module")
def client(live: Service) -> httpx.Client:
    return httpx.Client(base_url=live.url, timeout=PATIENCE_SECONDS, trust_env=False)


def warned(body: dict[str, Any], *parts: str) -> None:
    """Each part is in a warning of its own, and there is no other of this kind."""
    told = body["warnings"]
    if "warning_details" in body:
        told = [w["message"] for w in body["warning_details"] if w["code"] == "ignored_field"]
        assert set(told) <= set(body["warnings"])
    assert len(told) == len(parts), told
    for part in parts:
        assert any(part in one for one in told), (part, told)


def test_a_recordings_answer_names_the_right_field(client: httpx.Client) -> None:
    answer = client.post(
        "/transcribe?hotwords=欣悦",
        files=SPEECH,
        data={"hotword": "宏宇", "response_format": "srt", "colour": "blue"},
    )
    assert answer.status_code == 200
    assert answer.json()["text"] == sounds.SPEECH_TEXT
    warned(
        answer.json(),
        "'hotword' is not known here and was not read; the right one is 'hotwords'",
        "'response_format' is not known here and was not read; the right one is 'format'",
        "'colour' is not known here",
        "'hotwords' in the address was not read; send it as the field",
    )
    assert any(
        "正确的字段名是 hotwords" in w["message_zh"] for w in answer.json()["warning_details"]
    )
    warned(client.post("/transcribe?format=json", files=SPEECH, data={"speakers": ""}).json())


def test_a_stream_says_it_at_the_end(client: httpx.Client) -> None:
    answer = client.post("/transcribe?stream=true", files=SPEECH, data={"hotword": "宏宇"})
    *_, last = [line for line in answer.text.splitlines() if line.startswith("data: ")]
    warned(json.loads(last.removeprefix("data: ")), "the right one is 'hotwords'")


def test_a_batch_says_it_when_it_is_taken(client: httpx.Client) -> None:
    answer = client.post(
        "/batch_transcribe?track=2",
        files=[("files", SPEECH["file"])],
        data={"hotword": "宏宇", "also": "srt"},
    )
    assert answer.status_code == 202
    warned(answer.json(), "the right one is 'hotwords'", "'also' is not known", "'track' in the")
    location = answer.json()["status_url"]
    wait_until(lambda: client.get(location).json()["state"] == "done", "the batch to be over")


def test_a_microphone_is_told_at_its_start_and_at_its_end(live: Service) -> None:
    url = live.url.replace("http", "ws") + "/live"
    with connect(url, max_size=None) as socket:
        socket.send(json.dumps({"type": "start", "rate": 16000, "hotword": "欣悦"}))
        ready = json.loads(socket.recv(PATIENCE_SECONDS))
        assert ready["type"] == "ready"
        warned(ready, "the right one is 'sample_rate'", "the right one is 'hotwords'")
        socket.send(bytes(3200))
        socket.send(json.dumps({"type": "stop"}))
        while (message := json.loads(socket.recv(PATIENCE_SECONDS)))["type"] != "done":
            pass
    assert set(ready["warnings"]) <= set(message["warnings"])


def test_metrics_count_them(client: httpx.Client, live: Service) -> None:
    client.post("/transcribe", files=SPEECH, data={"hotword": "宏宇"})
    assert 'asr_warnings_total{code="ignored_field"}' in live.metrics()
