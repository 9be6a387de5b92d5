"""OpenAI's own Python client, unchanged, against the real service."""

from __future__ import annotations

import httpx
import openai
import pytest
import sounds
from supervised import PATIENCE_SECONDS, Service

LONG = max(sounds.EXAMPLES, key=lambda e: float(e["seconds"]))
WITH_HOTWORDS = next(e for e in sounds.EXAMPLES if e["hotwords"])


@pytest.fixture(scope="module")
def client(live: Service) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{live.url}/v1",
        api_key="not-needed",
        max_retries=0,
        timeout=PATIENCE_SECONDS,
        http_client=httpx.Client(trust_env=False),
    )


def test_models_are_listed_and_found(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["builtin"]
    assert client.models.retrieve("builtin").owned_by == "seacod"
    assert client.models.retrieve("whisper-1").id == "whisper-1"
    with pytest.raises(openai.NotFoundError, match="no model"):
        client.models.retrieve("gpt-9")


def test_json_and_text(client: openai.OpenAI) -> None:
    with sounds.SPEECH.open("rb") as file:
        answer = client.audio.transcriptions.create(model="whisper-1", file=file)
    assert answer.text == sounds.SPEECH_TEXT
    with sounds.SPEECH.open("rb") as file:
        text = client.audio.transcriptions.create(
            model="builtin", file=file, response_format="text", language="zh", temperature=0.2
        )
    assert text == sounds.SPEECH_TEXT + "\n"


def test_verbose_json_has_segments_and_words(client: openai.OpenAI) -> None:
    with (sounds.EXAMPLES_DIRECTORY / LONG["file"]).open("rb") as file:
        answer = client.audio.transcriptions.create(
            model="whisper-1",
            file=file,
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )
    assert answer.text == LONG["text"]
    assert answer.duration == pytest.approx(float(LONG["seconds"]), abs=0.2)
    assert answer.segments is not None
    assert answer.words is not None
    assert len(answer.segments) > 1
    assert "".join(word.word for word in answer.words) == LONG["text"].replace(" ", "")
    starts = [word.start for word in answer.words]
    assert starts == sorted(starts)
    with sounds.SPEECH.open("rb") as file:
        only = client.audio.transcriptions.create(
            model="whisper-1", file=file, response_format="verbose_json"
        )
    assert only.words is None


def test_srt_and_vtt(client: openai.OpenAI) -> None:
    with sounds.SPEECH.open("rb") as file:
        srt = client.audio.transcriptions.create(
            model="whisper-1", file=file, response_format="srt"
        )
    with sounds.SPEECH.open("rb") as file:
        vtt = client.audio.transcriptions.create(
            model="whisper-1", file=file, response_format="vtt"
        )
    number, times, text = str(srt).splitlines()[:3]
    assert (number, text) == ("1", sounds.SPEECH_TEXT)
    assert times.startswith("00:00:0")
    assert " --> 00:00:0" in times
    assert "," in times
    assert str(vtt).startswith("WEBVTT\n\n00:00:0")
    assert sounds.SPEECH_TEXT in str(vtt)


def test_the_prompt_is_read_as_hotwords(client: openai.OpenAI) -> None:
    path = sounds.EXAMPLES_DIRECTORY / WITH_HOTWORDS["file"]
    with path.open("rb") as file:
        answer = client.audio.transcriptions.create(
            model="whisper-1", file=file, prompt=WITH_HOTWORDS["hotwords"]
        )
    assert answer.text == WITH_HOTWORDS["text_with_hotwords"]


def test_streaming_gives_the_text_bit_by_bit(client: openai.OpenAI) -> None:
    with (sounds.EXAMPLES_DIRECTORY / LONG["file"]).open("rb") as file:
        stream = client.audio.transcriptions.create(model="whisper-1", file=file, stream=True)
        events = list(stream)
    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    assert len(deltas) > 1
    assert events[-1].type == "transcript.text.done"
    assert "".join(deltas) == events[-1].text == LONG["text"]


def test_refusals_arrive_as_the_clients_own_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="no model"):
        client.audio.transcriptions.create(model="gpt-9", file=("a.wav", b"x"))
    with pytest.raises(openai.BadRequestError, match="language"):
        client.audio.transcriptions.create(
            model="whisper-1", file=("a.wav", sounds.silence(1)), language="fr"
        )
    with pytest.raises(openai.APIStatusError) as refusal:
        client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"no sound"))
    assert refusal.value.status_code == 415
    with pytest.raises(openai.APIStatusError) as streamed:
        client.audio.transcriptions.create(
            model="whisper-1", file=("a.wav", b"no sound"), stream=True
        )
    assert streamed.value.status_code == 415
