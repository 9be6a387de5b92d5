"""Recordings of any length: in little memory, with text as it comes and times true to the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import av
import httpx
import numpy as np
import psutil
import pytest
import sounds
from supervised import PATIENCE_SECONDS, Service

from seacod.asr import audio
from seacod.asr.audio import SAMPLE_RATE
from seacod.proving.bench import long_audio

PAUSE_SECONDS = 0.9


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    one = Service(tmp_path_factory.mktemp("long"))
    # No cache: what is kept in case it comes again is not what a recording needs.
    one.configure(limits={"max_audio_seconds": 3000, "decoded_cache_bytes": 0})
    with one.running():
        yield one


def client(service: Service) -> httpx.Client:
    return httpx.Client(base_url=service.url, timeout=PATIENCE_SECONDS, trust_env=False)


def flac(path: Path, sound: audio.Samples) -> bytes:
    with av.open(str(path), "w", format="flac") as out:
        stream = out.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        block = (sound * 32767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path.read_bytes()


def test_text_and_times_are_right_to_the_end_and_come_bit_by_bit(
    service: Service, tmp_path: Path
) -> None:
    """Twelve minutes of one sentence; each must be heard, and where it was said."""
    sentence = audio.decode(sounds.SPEECH, max_seconds=60)
    pause = np.zeros(int(PAUSE_SECONDS * SAMPLE_RATE), dtype=np.float32)
    times = round(720 / (len(sentence) / SAMPLE_RATE + PAUSE_SECONDS))
    sound = np.concatenate([sentence, pause] * times)
    period = (len(sentence) + len(pause)) / SAMPLE_RATE
    content = flac(tmp_path / "twelve.flac", sound)
    told, segments, done = [], [], {}
    with client(service).stream(
        "POST", "/transcribe?stream=true", files={"file": content}
    ) as answer:
        name = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                body = json.loads(line.removeprefix("data: "))
                if name == "segments":
                    told.append(len(body["segments"]))
                    segments += body["segments"]
                elif name == "done":
                    done = body
    # The first text came long before the last was heard.
    assert told[0] < times // 4
    assert done["duration"] == pytest.approx(len(sound) / SAMPLE_RATE, abs=0.05)
    assert done["segments"] == segments
    alone = client(service).post("/transcribe", files={"file": sounds.SPEECH.read_bytes()}).json()
    assert [segment["text"] for segment in segments] == [sounds.SPEECH_TEXT] * times
    first = alone["segments"][0]["tokens"]
    for number, segment in enumerate(segments):
        for token, expected in zip(segment["tokens"], first, strict=True):
            assert token["start"] - number * period == pytest.approx(expected["start"], abs=0.1)


def test_memory_does_not_grow_with_the_length(service: Service, tmp_path: Path) -> None:
    """`seacod bench long-audio` does the same with three hours."""
    five, twenty = tmp_path / "5.flac", tmp_path / "20.flac"
    long_audio.write(five, 300)
    long_audio.write(twenty, 1200)
    worker = psutil.Process(service.worker_pid())
    peaks = []
    for recording in (five, twenty):
        peak = 0
        with client(service).stream(
            "POST", "/transcribe?stream=true", files={"file": recording.read_bytes()}
        ) as answer:
            last = ""
            for line in answer.iter_lines():
                peak = max(peak, worker.memory_info().rss)
                last = line or last
            assert json.loads(last.removeprefix("data: "))["text"]
        peaks.append(peak)
    assert peaks[1] <= 1.2 * peaks[0]


def test_beyond_the_limit_is_refused_by_the_header(service: Service, tmp_path: Path) -> None:
    recording = tmp_path / "51.flac"
    long_audio.write(recording, 3060)
    answer = client(service).post("/transcribe", files={"file": recording.read_bytes()})
    assert answer.status_code == 413
    error = answer.json()["error"]
    assert error["code"] == "too_long"
    assert "3060 s" in error["message"]
    assert "3000 s" in error["message"]


@pytest.mark.full
def test_the_strict_rule_refuses_what_is_long(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.configure(limits={"long_audio": "reject", "direct_audio_seconds": 20})
    with service.running():
        answer = client(service).post("/transcribe", files={"file": sounds.silence(21)})
        assert answer.status_code == 413
        assert "20 s" in answer.json()["error"]["message"]
        fits = client(service).post("/transcribe", files={"file": sounds.silence(19)})
        assert fits.status_code == 200
