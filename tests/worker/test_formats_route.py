"""A transcript that was changed by hand, in another format."""

from __future__ import annotations

import contextlib
import io
import json
import socket
from typing import Any

import httpx
import pytest
import sounds
from docx import Document
from supervised import PATIENCE_SECONDS, Service

from seacod.asr.assembly import FOR_TRYING
from seacod.formats import registry


@pytest.fixture(scope="module")
def client(live: Service) -> httpx.Client:
    return httpx.Client(base_url=live.url, timeout=PATIENCE_SECONDS, trust_env=False)


def recognised(client: httpx.Client, **fields: str) -> httpx.Response:
    with sounds.SPEECH.open("rb") as file:
        return client.post("/transcribe", files={"file": file}, data=fields)


def paragraphs(content: bytes) -> list[str]:
    return [one.text for one in Document(io.BytesIO(content)).paragraphs]


def test_a_document_is_answered_like_any_other_format(client: httpx.Client) -> None:
    answer = recognised(client, format="docx")
    assert answer.headers["content-type"].endswith("wordprocessingml.document")
    assert answer.headers["x-seacod-warnings"] == FOR_TRYING.code
    *head, last = paragraphs(answer.content)
    assert head == [f"注意：{FOR_TRYING.chinese}", f"Note: {FOR_TRYING.message}"]
    assert last == f"[00:00:00] {sounds.SPEECH_TEXT}"
    assert Document(io.BytesIO(answer.content)).core_properties.title == sounds.SPEECH.stem
    bare = recognised(client, format="docx", show_warnings="false")
    assert paragraphs(bare.content) == [last]
    refused = recognised(client, also="docx")
    assert refused.status_code == 400


def test_what_was_changed_by_hand_is_in_every_format(client: httpx.Client) -> None:
    body: dict[str, Any] = recognised(client).json()
    for segment in body["segments"]:
        segment["speaker"] = "王"
        segment["text"] = "改过的话"
    for one in registry.all_formats():
        answer = client.post(f"/formats/{one.name}", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith(one.media_type.partition(";")[0])
        shown = "".join(paragraphs(answer.content)) if one.is_binary else answer.text
        assert "王" in shown
        assert "改过的话" in shown
    named = client.post("/formats/docx", json={**body, "name": "例会.m4a"}).content
    assert Document(io.BytesIO(named)).core_properties.title == "例会"
    body["segments"][0].update(text="今天天气很好", speaker=None, tokens=[])
    narrow = client.post("/formats/vtt?max_line_characters=4", json=body).text
    assert "\n今天天\n气很好\n" in narrow


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("pdf", {"segments": []}, "use one of json"),
        ("docx", [], "the body is the JSON that POST /transcribe gives"),
        ("docx", {"text": "x"}, "segments"),
        ("srt", {"segments": [{"start": "x", "end": 1, "text": "x"}]}, "segments.0.start"),
        ("srt", {"segments": [{"start": 0, "end": 1e9, "text": "x"}]}, "segments.0.end"),
        ("srt", {"segments": [{"start": 0, "end": 1, "text": 1}]}, "segments.0.text"),
        ("srt?max_cue_seconds=x", {"segments": []}, "max_cue_seconds"),
    ],
)
def test_what_is_no_transcript_is_refused(
    client: httpx.Client, name: str, body: object, words: str
) -> None:
    answer = client.post(f"/formats/{name}", content=json.dumps(body))
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


def test_more_than_anybody_says_is_refused(client: httpx.Client) -> None:
    sentence = {"start": 5, "end": 1, "text": "好" * 90_000}
    answer = client.post("/formats/text", json={"segments": [sentence] * 12})
    assert answer.status_code == 413
    assert client.get("/formats/text").status_code == 405


def test_what_would_take_many_times_its_size_in_memory_is_refused_unread(
    client: httpx.Client,
) -> None:
    answer = client.post("/formats/text", content=b'{"x":[1' + b",1" * 4_000_000 + b"]}")
    assert answer.status_code == 413
    assert "4,000,000 values" in answer.json()["error"]["message"]
    sentences = [{"start": 0, "end": 1, "text": ""}] * 100_001
    answer = client.post("/formats/text", json={"segments": sentences})
    assert answer.status_code == 400
    assert "at most 100000 items" in answer.json()["error"]["message"]
    answer = client.post("/formats/text", content=b" " * ((64 << 20) + 1))
    assert answer.status_code == 413
    assert "64 MiB" in answer.json()["error"]["message"]


def test_whoever_still_sends_keeps_nobody_from_a_file(live: Service, client: httpx.Client) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", live.port)))
            slow.sendall(
                b"POST /formats/text HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999\r\n\r\n{"
            )
        body = {"segments": [{"start": 0, "end": 1, "text": "好"}]}
        answer = client.post("/formats/text", json=body, timeout=10)
        assert answer.text == "好\n"
