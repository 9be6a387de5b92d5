"""Who speaks, by every way in: one recording, OpenAI's client, a batch, the command."""

from __future__ import annotations

import asyncio
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
import soundfile
import sounds
import speaker_models
import typed
from supervised import PATIENCE_SECONDS, Service

from seacod.client import AsyncClient, Client


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    models = tmp_path_factory.mktemp("models")
    speaker_models.stand_in(models)
    one = Service(tmp_path_factory.mktemp("speakers"))
    one.configure(server={"page": "off"}, asr={"models_directory": str(models)})
    with one.running():
        yield one


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=service.url, timeout=PATIENCE_SECONDS, trust_env=False
    ) as one:  # fmt: skip
        yield one


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two who take turns, with a pause between them."""
    said = [soundfile.read(sounds.EXAMPLES_DIRECTORY / e["file"])[0] for e in sounds.EXAMPLES[:2]]
    # The second one speaks with a shorter throat.
    said[1] = np.interp(np.arange(0, len(said[1]), 1.3), np.arange(len(said[1])), said[1])
    pause = np.zeros(16_000)
    path = tmp_path_factory.mktemp("recordings") / "two.wav"
    soundfile.write(path, np.concatenate([said[0], pause, said[1], pause, said[0]]), 16_000)
    return path


def test_each_sentence_and_each_word_has_a_speaker(client: httpx.Client, recording: Path) -> None:
    file = recording.read_bytes()
    plain = client.post("/transcribe", files={"file": file}).json()
    assert {segment["speaker"] for segment in plain["segments"]} == {None}
    assert plain["speakers"] == []
    body = client.post(
        "/transcribe", files={"file": file}, data={"speakers": "2", "also": "text,srt,vtt"}
    ).json()
    assert body["text"] == plain["text"]
    # The stand-in's weights know no voices, so who is who is not asked here.
    assert body["speakers"]
    assert {one["name"] for one in body["speakers"]} <= {"S1", "S2"}
    assert body["segments"][0]["speaker"] == "S1"
    for segment in body["segments"]:
        assert {token["speaker"] for token in segment["tokens"]} == {segment["speaker"]}
    lines = body["also"]["text"].splitlines()
    assert all(re.match(r"S[12]: \S", line) for line in lines)
    assert lines[0].startswith("S1: ")
    assert "\nS1: " in body["also"]["srt"]
    assert "\n<v S1>" in body["also"]["vtt"]


def test_one_speaker_is_one_and_a_stream_ends_with_speakers(
    client: httpx.Client, recording: Path
) -> None:
    answer = client.post(
        "/transcribe?stream=true&speakers=1", files={"file": recording.read_bytes()}
    )
    done = json.loads(answer.text.rsplit("event: done\ndata: ", 1)[1])
    assert [one["name"] for one in done["speakers"]] == ["S1"]


def test_what_is_no_number_of_speakers_is_refused(client: httpx.Client, recording: Path) -> None:
    answer = client.post(
        "/transcribe", files={"file": recording.read_bytes()}, data={"speakers": "some"}
    )
    assert answer.status_code == 400
    assert "2-4" in answer.json()["error"]["message"]
    assert answer.json()["error"]["message_zh"]
    batch = client.post(
        "/batch_transcribe", files={"files": recording.read_bytes()}, data={"speakers": "some"}
    )
    assert batch.status_code == 400


def test_without_a_speaker_model_it_is_said_which_command_fetches_one(
    live: Service, recording: Path
) -> None:
    for address, field in (("/transcribe", "file"), ("/batch_transcribe", "files")):
        answer = httpx.post(
            live.url + address, files={field: recording.read_bytes()}, data={"speakers": "true"},
            timeout=PATIENCE_SECONDS, trust_env=False,
        )  # fmt: skip
        assert answer.status_code == 501
        assert answer.json()["error"]["code"] == "no_speaker_model"
        assert "seacod model fetch resemblyzer" in answer.json()["error"]["message"]


def test_openai_s_client_gets_diarized_json(service: Service, recording: Path) -> None:
    asked = openai.OpenAI(
        base_url=f"{service.url}/v1", api_key="none", max_retries=0, timeout=PATIENCE_SECONDS,
        http_client=httpx.Client(trust_env=False),
    )  # fmt: skip
    with recording.open("rb") as file:
        answer = asked.audio.transcriptions.create(
            model="gpt-4o-transcribe-diarize", file=file, response_format="diarized_json"
        )
    segments = answer.model_dump()["segments"]
    assert segments[0]["type"] == "transcript.text.segment"
    assert segments[0]["speaker"] == "S1"
    assert "".join(one["text"] for one in segments).replace(" ", "") == answer.text.replace(
        " ", ""
    )  # fmt: skip
    with recording.open("rb") as file:
        events = [
            event.model_dump()
            for event in asked.audio.transcriptions.create(
                model="gpt-4o-transcribe-diarize", file=file, stream=True
            )
        ]
    said = [event for event in events if event["type"] == "transcript.text.segment"]
    assert [one["text"] for one in said]
    assert {one["speaker"] for one in said} <= {"S1", "S2", "S3"}
    assert events[-1]["type"] == "transcript.text.done"


def test_a_batch_has_speakers_in_all_of_its_results(service: Service, recording: Path) -> None:
    with Client(service.url) as asked:
        job = asked.submit([recording], speakers="2")
        assert asked.wait_for(job, within_seconds=PATIENCE_SECONDS).is_over
        with zipfile.ZipFile(io.BytesIO(asked.results(job))) as archive:
            inside = {Path(name).suffix: name for name in archive.namelist() if "two" in name}
            body = json.loads(archive.read(inside[".json"]))
            text = archive.read(inside[".txt"]).decode()
            subtitles = archive.read(inside[".srt"]).decode()
    assert {segment["speaker"] for segment in body["segments"]} <= {"S1", "S2"}
    assert text.startswith("S1: ")
    assert "\nS1: " in subtitles


def test_the_command_and_the_client_ask_for_speakers(service: Service, recording: Path) -> None:
    done = typed.seacod("transcribe", recording, "--url", service.url, "--speakers", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("S1: ")
    with Client(service.url) as asked:
        said = asked.transcribe(recording, speakers="2")
    assert said.segments
    assert all(segment.speaker for segment in said.segments)


def test_of_a_microphone_the_transcript_has_speakers(service: Service, recording: Path) -> None:
    async def speak() -> Any:
        samples, rate = soundfile.read(recording, dtype="int16")
        async with AsyncClient(service.url) as asked:
            async with asked.live(rate, speakers="2") as session:
                await session.send(samples.tobytes())
                await session.stop()
                return [event async for event in session][-1]

    done = asyncio.run(speak())
    assert done.transcript.segments
    assert {one.speaker for one in done.transcript.segments} <= {"S1", "S2"}
