"""OpenAI's own Python client, unchanged, against the real service."""

from __future__ import annotations

import re

import httpx
import openai
import pytest
import sounds
from openai.types.audio import TranscriptionSegment
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
    assert re.match(r"WEBVTT\n\nNOTE\n注意：.*\nNote: .*\n\n00:00:0", str(vtt))
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
    with pytest.raises(openai.APIStatusError) as refusal:
        client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"no sound"))
    assert refusal.value.status_code == 415
    with pytest.raises(openai.APIStatusError) as streamed:
        client.audio.transcriptions.create(
            model="whisper-1", file=("a.wav", b"no sound"), stream=True
        )
    assert streamed.value.status_code == 415


@pytest.mark.parametrize(
    "model",
    ["paraformer", "paraformer-zh", "SenseVoice", "iic/SenseVoiceSmall", "funasr", "FunASR",
     "gpt-4o-mini-transcribe-2025-12-15", "gpt-transcribe", "whisper-large-v3", "seacod"],
)  # fmt: skip
def test_names_that_people_have_set_mean_the_model_there_is(
    client: openai.OpenAI, model: str
) -> None:
    assert client.models.retrieve(model).id == model
    with sounds.SPEECH.open("rb") as file:
        assert client.audio.transcriptions.create(model=model, file=file).text == sounds.SPEECH_TEXT


def warned(live: Service, code: str) -> float:
    """How often a warning was given so far, on any route."""
    lines = live.metrics().splitlines()
    name = f'asr_warnings_total{{code="{code}"}} '
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


@pytest.mark.parametrize(
    ("language", "is_remarked"),
    [("zh", False), ("zh-CN", False), ("cn", False), ("mandarin", False), ("Chinese", False),
     ("auto", False), ("null", False), ("", False), ("中文", False), ("en", True), ("fr", True),
     ("yue", True)],
)  # fmt: skip
def test_any_language_is_taken_and_another_than_chinese_remarked_upon(
    live: Service, language: str, is_remarked: bool
) -> None:
    before = warned(live, "language")
    answer = httpx.post(
        f"{live.url}/v1/audio/transcriptions",
        files={"file": ("a.flac", sounds.SPEECH.read_bytes())},
        data={"model": "whisper-1", "language": language, "response_format": "verbose_json"},
        timeout=PATIENCE_SECONDS,
        trust_env=False,
    )
    assert answer.status_code == 200
    assert answer.json()["text"] == sounds.SPEECH_TEXT
    assert (warned(live, "language") > before) == is_remarked


def test_segments_have_all_fields_of_the_api(client: openai.OpenAI) -> None:
    with (sounds.EXAMPLES_DIRECTORY / LONG["file"]).open("rb") as file:
        answer = client.audio.transcriptions.create(
            model="whisper-1", file=file, response_format="verbose_json"
        )
    assert answer.segments
    for number, segment in enumerate(answer.segments):
        # As strictly as their own types have it.
        TranscriptionSegment.model_validate(segment.model_dump(), strict=True)
        assert segment.id == number
        assert segment.seek == round(segment.start * 100)
        assert len(segment.tokens) >= 1
        assert all(token >= 0 for token in segment.tokens)
        assert segment.temperature == 0.0
        assert -5 < segment.avg_logprob <= 0
        assert 0 < segment.compression_ratio < 5
        assert 0 <= segment.no_speech_prob < 0.5


@pytest.mark.parametrize(
    "name",
    ["timestamp_granularities[]", "timestamp_granularities", "timestamp_granularities[0]"],
)
def test_granularities_are_read_with_and_without_brackets(live: Service, name: str) -> None:
    def ask(*values: str) -> httpx.Response:
        return httpx.post(
            f"{live.url}/v1/audio/transcriptions",
            files={"file": ("a.flac", sounds.SPEECH.read_bytes())},
            data={"model": "whisper-1", "response_format": "verbose_json", name: list(values)},
            timeout=PATIENCE_SECONDS,
            trust_env=False,
        )

    before = warned(live, "ignored_field")
    words = ask("word").json()
    assert words["words"]
    assert "segments" not in words
    assert ask("word", "segment").json().keys() >= {"words", "segments"}
    assert warned(live, "ignored_field") == before
    wrong = ask("sentence")
    assert wrong.status_code == 400
    assert "use segment or word" in wrong.json()["error"]["message"]


def test_log_probabilities_can_be_included(client: openai.OpenAI) -> None:
    with sounds.SPEECH.open("rb") as file:
        answer = client.audio.transcriptions.create(
            model="gpt-4o-transcribe", file=file, include=["logprobs"]
        )
    assert answer.logprobs
    spoken = "".join(bytes(map(int, one.bytes or [])).decode() for one in answer.logprobs)
    assert spoken == sounds.SPEECH_TEXT.replace(" ", "")
    assert all(one.logprob is not None and one.logprob <= 0 for one in answer.logprobs)
    with sounds.SPEECH.open("rb") as file:
        plain = client.audio.transcriptions.create(model="gpt-4o-transcribe", file=file)
    assert plain.logprobs is None
    with sounds.SPEECH.open("rb") as file:
        stream = list(
            client.audio.transcriptions.create(
                model="gpt-4o-transcribe", file=file, include=["logprobs"], stream=True
            )
        )
    assert stream[-1].type == "transcript.text.done"
    assert stream[-1].logprobs
    with sounds.SPEECH.open("rb") as file, pytest.raises(openai.BadRequestError, match="logprobs"):
        client.audio.transcriptions.create(
            model="gpt-4o-transcribe", file=file, include=["item"]  # type: ignore[list-item]
        )  # fmt: skip


def test_keywords_are_hotwords(client: openai.OpenAI) -> None:
    path = sounds.EXAMPLES_DIRECTORY / WITH_HOTWORDS["file"]
    with path.open("rb") as file:
        answer = client.audio.transcriptions.create(
            model="gpt-transcribe", file=file, keywords=WITH_HOTWORDS["hotwords"].split()
        )
    assert answer.text == WITH_HOTWORDS["text_with_hotwords"]


def test_translations_are_refused_in_the_shape_of_their_errors(client: openai.OpenAI) -> None:
    with sounds.SPEECH.open("rb") as file, pytest.raises(openai.APIStatusError) as refused:
        client.audio.translations.create(model="whisper-1", file=file)
    assert refused.value.status_code == 501
    assert refused.value.code == "not_supported"
    assert "translates nothing" in refused.value.message
