"""The HTTP API of the real service: what is given, what is refused, and what it costs others."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import sounds
from supervised import (
    MAX_AUDIO_SECONDS,
    MAX_UPLOAD_BYTES,
    PATIENCE_SECONDS,
    QUEUE_LENGTH,
    Service,
    wait_until,
)

WITH_HOTWORDS = next(e for e in sounds.EXAMPLES if e["hotwords"])
LONG = max(sounds.EXAMPLES, key=lambda e: float(e["seconds"]))


@pytest.fixture(scope="module")
def client(live: Service) -> httpx.Client:
    return httpx.Client(base_url=live.url, timeout=PATIENCE_SECONDS, trust_env=False)


@pytest.fixture(scope="module", autouse=True)
def log_before(live: Service) -> int:
    """Where the log ended when these tests began; others use the same service."""
    return len(live.log_text())


def post(
    client: httpx.Client, content: bytes, hotwords: str | None = None, name: str = "a.wav"
) -> httpx.Response:
    data = {} if hotwords is None else {"hotwords": hotwords}
    return client.post("/transcribe", files={"file": (name, content)}, data=data)


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The error of a refusal, whose shape is checked."""
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert error["code"] == code
    assert error["message"]
    assert re.search(r"[一-鿿]", error["message_zh"])
    assert error["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text
    return error


def test_a_recording_becomes_text(client: httpx.Client) -> None:
    answer = post(client, sounds.SPEECH.read_bytes())
    assert answer.status_code == 200
    body = answer.json()
    assert body["text"] == sounds.SPEECH_TEXT
    assert body["duration"] == pytest.approx(float(sounds.EXAMPLES[0]["seconds"]), abs=0.1)
    assert body["processing_time"] > 0
    assert body["real_time_factor"] == pytest.approx(
        body["processing_time"] / body["duration"], rel=0.05
    )
    assert 0 < body["confidence"] <= 1
    assert body["confidence_kind"] == "uncalibrated"
    (segment,) = body["segments"]
    assert 0 <= segment["start"] < segment["end"] <= body["duration"] + 0.01
    assert "".join(t["text"] for t in segment["tokens"]) == sounds.SPEECH_TEXT
    for token in segment["tokens"]:
        assert segment["start"] <= token["start"] < token["end"] <= segment["end"] + 0.1
    assert body["request_id"] == answer.headers["x-request-id"]


def test_a_longer_recording_comes_in_sentences(client: httpx.Client) -> None:
    body = post(client, (sounds.EXAMPLES_DIRECTORY / LONG["file"]).read_bytes()).json()
    assert body["text"] == LONG["text"]
    assert len(body["segments"]) > 1
    starts = [segment["start"] for segment in body["segments"]]
    assert starts == sorted(starts)


def test_hotwords_help_and_each_is_accounted_for(client: httpx.Client) -> None:
    recording = (sounds.EXAMPLES_DIRECTORY / WITH_HOTWORDS["file"]).read_bytes()
    word = WITH_HOTWORDS["hotwords"]
    assert word not in post(client, recording).json()["text"]
    body = post(client, recording, f"{word}，龘龘 http://x").json()
    assert body["text"] == WITH_HOTWORDS["text_with_hotwords"]
    assert {r["word"]: r["status"] for r in body["hotwords"]} == {
        word: "matched",
        "龘龘": "unknown_characters",
        "http://x": "ignored",
    }
    assert word not in post(client, recording).json()["text"]


@pytest.mark.parametrize("name", ["a.mp3", "a.m4a", "a.webm", "telephone.wav", "surround.wav"])
def test_the_text_does_not_depend_on_the_format(
    client: httpx.Client, tmp_path: Path, name: str
) -> None:
    from seacod.asr import audio

    container, codec, rate, layout = sounds.FORMATS[name]
    samples = audio.decode(sounds.SPEECH, max_seconds=60)
    path = sounds.encode(
        tmp_path / name, 0, container=container, codec=codec, rate=rate, layout=layout,
        samples=samples,
    )  # fmt: skip
    # A misleading name: the contents decide.
    body = post(client, path.read_bytes(), name="../../etc/speech.txt").json()
    text = body["text"]
    if name == "telephone.wav":  # 8 kHz and 8 bits cost the small model something
        assert len(set(text) & set(sounds.SPEECH_TEXT)) >= 3
    else:
        assert text == sounds.SPEECH_TEXT


def test_silence_is_an_empty_text_with_a_reason(client: httpx.Client) -> None:
    body = post(client, sounds.silence(3)).json()
    assert (body["text"], body["segments"], body["confidence"]) == ("", [], None)
    assert body["warnings"][1:] == ["no speech was found in the recording"]


def test_too_long_names_both_lengths(client: httpx.Client) -> None:
    error = refused(post(client, sounds.silence(MAX_AUDIO_SECONDS + 5)), 413, "too_long")
    assert f"{MAX_AUDIO_SECONDS} s" in error["message"]
    assert f"{MAX_AUDIO_SECONDS + 5} s" in error["message"]
    assert str(MAX_AUDIO_SECONDS) in error["message_zh"]


def test_too_big_is_refused_by_what_it_declares_and_by_what_it_sends(
    client: httpx.Client,
) -> None:
    content = b"\0" * (MAX_UPLOAD_BYTES + 1024 * 1024)
    error = refused(post(client, content), 413, "too_big")
    assert "3 MiB" in error["message"]

    def without_length() -> Any:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(len(content) // 65536):
            yield b"\0" * 65536
        yield b"\r\n--x--\r\n"

    answer = client.post(
        "/transcribe", content=without_length(),
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )  # fmt: skip
    refused(answer, 413, "too_big")


def test_empty_and_not_audio(client: httpx.Client) -> None:
    refused(post(client, b""), 400, "empty_audio")
    refused(post(client, sounds.wav(b"")), 400, "empty_audio")
    refused(post(client, b"I am not a sound. " * 99), 415, "bad_audio")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "application/json"),
        (b'{"file": "x"}', "application/json"),
        (b"nonsense", "multipart/form-data"),
        (b"nonsense", "multipart/form-data; boundary=x"),
        (
            b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
        ),
        (
            b'--x\r\nContent-Disposition: form-data; name="other"; filename="a"\r\n\r\n1\r\n'
            b"--x--\r\n",
            "multipart/form-data; boundary=x",
        ),
    ],
)
def test_a_form_that_is_none_is_a_400(client: httpx.Client, content: bytes, kind: str) -> None:
    answer = client.post("/transcribe", content=content, headers={"Content-Type": kind})
    refused(answer, 400, "bad_request")


def test_unknown_addresses_and_methods_have_the_same_shape(client: httpx.Client) -> None:
    refused(client.get("/transcribe"), 405, "method_not_allowed")


def test_a_request_keeps_its_id_if_it_is_sensible(client: httpx.Client) -> None:
    given = {"X-Request-ID": "order-66.a_b"}
    assert client.get("/health", headers=given).headers["x-request-id"] == "order-66.a_b"
    for odd in ("a b", "x" * 65, "<script>"):
        answer = client.get("/health", headers={"X-Request-ID": odd})
        assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])


def test_health(client: httpx.Client) -> None:
    body = client.get("/health").json()
    assert body["status"] == "ok"
    assert body["model"] == "builtin"
    assert body["queue_length"] == QUEUE_LENGTH
    assert client.get("/health/live").json() == {"status": "ok"}
    assert client.get("/health/ready").status_code == 200
    assert "/transcribe" in client.get("/openapi.json").json()["paths"]


def test_uploads_are_gone_when_their_request_is_over(live: Service) -> None:
    uploads = live.directory / "state" / "uploads"
    wait_until(lambda: not [p for p in uploads.iterdir() if p.is_file()], "no upload left")


def test_the_log_has_one_line_a_request_with_its_id(client: httpx.Client, live: Service) -> None:
    name = f"log-{time.monotonic_ns()}"
    post_id = {"X-Request-ID": name}
    client.post("/transcribe", files={"file": sounds.SPEECH.read_bytes()}, headers=post_id)
    client.post("/transcribe", files={"file": b"no sound"}, headers=post_id)

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in live.log_text().splitlines() if name in line]

    found = wait_until(lambda: lines() if len(lines()) >= 2 else None, "two lines")
    assert [line["event"] for line in found] == ["transcribed", "not_transcribed"]
    assert found[0]["level"] == "info"
    assert found[1]["reason"] == "bad_audio"


def test_batch_sizes_are_measured_while_nobody_asks_for_anything(live: Service) -> None:
    kept = live.directory / "state" / "tuning.json"
    wait_until(kept.exists, lambda: f"what was measured; log:\n{live.log_text()[-3000:]}")
    (found,) = json.loads(kept.read_text()).values()
    assert len(found["measured"]) >= 3
    assert found["speed"] > 0


def test_the_log_has_no_traceback(live: Service, log_before: int) -> None:
    assert "Traceback" not in live.log_text()[log_before:]
