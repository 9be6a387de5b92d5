"""Partial results, formats, and what the answer says of hotwords."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import sounds
from supervised import PATIENCE_SECONDS, Service, wait_until

from seacod.asr.hotwords import WEIGHTS

LONG = max(sounds.EXAMPLES, key=lambda e: float(e["seconds"]))
WITH_HOTWORDS = next(e for e in sounds.EXAMPLES if e["hotwords"])


@pytest.fixture(scope="module")
def client(live: Service) -> httpx.Client:
    return httpx.Client(base_url=live.url, timeout=PATIENCE_SECONDS, trust_env=False)


def post(client: httpx.Client, content: bytes, **fields: str) -> httpx.Response:
    return client.post("/transcribe", files={"file": ("a.wav", content)}, data=fields)


def long_one() -> bytes:
    return (sounds.EXAMPLES_DIRECTORY / LONG["file"]).read_bytes()


def events(answer: httpx.Response) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for block in answer.text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


def test_sentences_come_as_they_are_heard(client: httpx.Client) -> None:
    answer = client.post("/transcribe?stream=true", files={"file": long_one()})
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = events(answer)
    segments = [s for name, body in told if name == "segments" for s in body["segments"]]
    name, done = told[-1]
    assert name == "done"
    assert done["text"] == LONG["text"]
    assert done["segments"] == segments
    assert done["request_id"] == answer.headers["x-request-id"]
    shares = [body["share"] for name, body in told if name == "progress" and "share" in body]
    assert shares == sorted(shares)
    assert shares[-1] > 0.8


def test_what_is_refused_is_refused_with_its_status(client: httpx.Client) -> None:
    answer = client.post("/transcribe?stream=true", files={"file": b"no sound"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "bad_audio")
    odd = client.post("/transcribe?stream=perhaps", files={"file": b"x"})
    assert odd.status_code == 400


def test_every_format(client: httpx.Client) -> None:
    text = post(client, long_one(), format="text")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert text.text == LONG["text"] + "\n"
    srt = post(client, long_one(), format="srt").text
    assert srt.startswith("1\n00:00:0")
    assert srt.count(" --> ") == len(LONG["text"].split())
    head, note, first, *_ = post(client, long_one(), format="vtt").text.split("\n\n")
    assert head == "WEBVTT"
    assert note.startswith("NOTE\n"), "that the model is for trying"
    assert "paraformer-zh" in note
    assert first.startswith("00:00:0")
    rows = [line.split("\t") for line in post(client, long_one(), format="tsv").text.splitlines()]
    assert rows[0] == ["start", "end", "text"]
    assert all(int(a) < int(b) for a, b, _ in rows[1:])
    verbose = post(client, long_one(), format="verbose_json").json()
    assert verbose["task"] == "transcribe"
    assert verbose["segments"][0]["text"]
    wrong = post(client, long_one(), format="pages")
    assert wrong.status_code == 400
    assert "verbose_json" in wrong.json()["error"]["message"]


def test_two_lists_at_once_never_mix(client: httpx.Client) -> None:
    """FunASR keeps one list on the model object; two users' requests run at the same time."""
    recording = (sounds.EXAMPLES_DIRECTORY / WITH_HOTWORDS["file"]).read_bytes()
    word = WITH_HOTWORDS["hotwords"]

    def ask(words: str) -> dict[str, Any]:
        body: dict[str, Any] = post(client, recording, hotwords=words).json()
        return body

    with ThreadPoolExecutor(4) as clients:
        asked = [word, "", "天气 今天", ""] * 8
        # At most three wait here (the fixture's queue), so four clients are never refused.
        answers = list(clients.map(ask, asked))
    for words, body in zip(asked, answers, strict=True):
        expected = "text_with_hotwords" if words == word else "text"
        assert body["text"] == WITH_HOTWORDS[expected]


def test_any_number_of_words_is_listened_for_and_each_is_told_of(client: httpx.Client) -> None:
    """The one that is said is the last of two hundred."""
    recording = (sounds.EXAMPLES_DIRECTORY / WITH_HOTWORDS["file"]).read_bytes()
    others = [
        a + b
        for a in "天地山水火风雨花书"
        for b in "上下大小多少人手口车门年月日星早晚明今开关听走"
    ]
    words = "\n".join([*dict.fromkeys(others), WITH_HOTWORDS["hotwords"]])
    body = post(client, recording, hotwords=words).json()
    assert body["text"] == WITH_HOTWORDS["text_with_hotwords"]
    assert len(body["hotwords"]) == len(words.splitlines()) > 150
    assert body["hotwords"][-1] == {
        "word": WITH_HOTWORDS["hotwords"], "status": "matched", "reason": "",
    }  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gbk", "utf-16"])
def test_a_list_with_weights_may_be_sent_as_the_file_it_is(
    client: httpx.Client, encoding: str
) -> None:
    recording = (sounds.EXAMPLES_DIRECTORY / WITH_HOTWORDS["file"]).read_bytes()
    listed = f"{WITH_HOTWORDS['hotwords']} 20\r\n海鸟 30\r\n".encode(encoding)
    answer = client.post(
        "/transcribe", files={"file": ("a.wav", recording), "hotwords": ("words.txt", listed)}
    )
    body = answer.json()
    assert body["text"] == WITH_HOTWORDS["text_with_hotwords"]
    assert [one["word"] for one in body["hotwords"]] == [WITH_HOTWORDS["hotwords"], "海鸟"]
    assert body["warnings"][1:] == [WEIGHTS.message]


def test_the_same_file_again_is_not_decoded_again(client: httpx.Client, live: Service) -> None:
    def decoding(answer: httpx.Response) -> float:
        request = answer.headers["x-request-id"]
        line = wait_until(
            lambda: [e for e in live.events("transcribed") if e.get("request_id") == request],
            "the line of the request",
        )
        return float(line[0]["decoding_seconds"])

    content = sounds.wav((sounds.tone(7.3) * 20_000).astype("<i2").tobytes() + b"\x01\x02" * 160)
    first, second = post(client, content), post(client, content)
    assert first.json()["duration"] == second.json()["duration"]
    assert decoding(first) > 0
    assert decoding(second) == 0


def test_system_says_what_there_is(client: httpx.Client) -> None:
    body = client.get("/system").json()
    assert body["model"] == "builtin"
    assert body["speed"] > 0
    assert body["limits"]["queue_length"] == 3
    assert {"seacod", "torch", "funasr", "gradio"} <= set(body["versions"])


def test_every_route_is_described(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()["paths"]
    assert {
        "/transcribe", "/batch_transcribe", "/jobs/{job}", "/jobs/{job}/results", "/v1/models",
        "/v1/models/{name}", "/v1/audio/transcriptions", "/health", "/health/live",
        "/health/ready", "/system",
    } <= set(described)  # fmt: skip
    form = described["/transcribe"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert {"file", "hotwords", "format", "stream"} <= set(form["schema"]["properties"])
    assert "503" in described["/transcribe"]["post"]["responses"]
