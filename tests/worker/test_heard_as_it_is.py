"""Recordings from practice through the real service: the text that was said, in its place, from the
track and the channels that hold it, or a warning that says what is missing."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import containers
import httpx
import numpy as np
import pytest
import sounds
import typed
from containers import RATE, Sound, Track
from supervised import PATIENCE_SECONDS, Service

from seacod.asr import audio
from seacod.client import Client

FIRST, SECOND, THIRD = (example["text"] for example in sounds.EXAMPLES[:3])


def sentence(number: int) -> Sound:
    path = sounds.EXAMPLES_DIRECTORY / sounds.EXAMPLES[number]["file"]
    return audio.decode(path, max_seconds=60)


def said(*parts: int | float) -> Sound:
    """Sentences by their number, and pauses in seconds."""
    return np.concatenate(
        [
            sentence(part) if isinstance(part, int) else np.zeros(round(part * RATE), np.float32)
            for part in parts
        ]
    )


def beside(*channels: Sound) -> Sound:
    """Channels of one length; shape (samples, channels)."""
    longest = max(map(len, channels))
    return np.stack([np.pad(one, (0, longest - len(one))) for one in channels], axis=1)


@pytest.fixture(scope="module")
def client(live: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live.url, timeout=PATIENCE_SECONDS, trust_env=False) as one:
        yield one


def heard(client: httpx.Client, path: Path, **fields: str) -> dict[str, Any]:
    answer = client.post("/transcribe", files={"file": ("a", path.read_bytes())}, data=fields)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    for segment in body["segments"]:
        assert 0 <= segment["start"] <= segment["end"] <= body["duration"]
        for token in segment["tokens"]:
            assert 0 <= token["start"] <= token["end"] <= body["duration"]
    return body


def codes(body: dict[str, Any]) -> set[str]:
    """Of what is said about the recording; what is said about the model comes first."""
    trial, *others = body["warning_details"]
    assert trial["code"] == "trial_model"
    return {warning["code"] for warning in others}


def starts(body: dict[str, Any]) -> dict[str, float]:
    return {s["text"]: s["tokens"][0]["start"] for s in body["segments"]}


def test_a_late_track_has_its_words_where_the_film_has_them(
    client: httpx.Client, tmp_path: Path
) -> None:
    plain = sounds.encode(tmp_path / "a", 0, samples=said(0))
    track = Track(said(0), shift=lambda at: at + 4.94)
    late = containers.written(tmp_path / "b", "mp4", [track], picture_seconds=9)
    before, after = starts(heard(client, plain)), starts(heard(client, late))
    assert after[FIRST] == pytest.approx(before[FIRST] + 4.94, abs=0.15)


def test_a_gap_moves_nothing_and_is_told(client: httpx.Client, tmp_path: Path) -> None:
    sound = said(0, 4.0, 1, 5.0, 2)
    path = sounds.encode(tmp_path / "a", 0, samples=sound)
    whole = heard(client, path)
    track = Track(sound, shift=lambda at: None if 3.2 < at < 6.4 else at)
    body = heard(client, containers.written(tmp_path / "b", "ipod", [track]))
    assert body["duration"] == pytest.approx(whole["duration"], abs=0.1)
    assert starts(body) == pytest.approx(starts(whole), abs=0.15)
    _, warning = body["warning_details"]
    assert warning["code"] == "missing"
    assert (warning["start"], warning["end"]) == pytest.approx((3.2, 6.4), abs=0.2)
    assert body["warnings"][1:] == [warning["message"]]
    assert body["missing"] == pytest.approx(3.2, abs=0.2)


def test_half_a_file_says_that_the_rest_is_missing(client: httpx.Client, tmp_path: Path) -> None:
    path = containers.written(
        tmp_path / "a", "ipod", [Track(said(0, 1.0, 1, 1.0, 2))], options={"movflags": "+faststart"}
    )
    body = heard(client, containers.cut(path, 0.5))
    assert FIRST in body["text"]
    assert THIRD not in body["text"]
    assert "cut_off" in codes(body)
    assert "the header says 11.5 s" in body["warnings"][1]


def test_the_track_that_is_marked_is_heard_and_the_others_are_named(
    client: httpx.Client, tmp_path: Path
) -> None:
    path = containers.written(
        tmp_path / "a", "matroska",
        [
            Track(said(3.0), language="eng", title="Commentary", is_default=False),
            Track(said(0), language="chi", is_default=True),
            Track(said(1), language="chi", title="Room", is_default=False),
        ],
    )  # fmt: skip
    body = heard(client, path)
    assert body["text"] == FIRST
    _, warning = body["warning_details"]
    assert warning["code"] == "other_tracks"
    assert "track 1 (eng, Commentary)" in warning["message"]
    assert "track 2 was heard" in warning["message"]
    assert heard(client, path, track="3")["text"] == SECOND
    both = heard(client, path, track="all")
    assert both["text"] == f"track 2 (chi):\n{FIRST}\n\ntrack 3 (chi, Room):\n{SECOND}"
    assert {s["text"]: s["speaker"] for s in both["segments"]} == {
        FIRST: "track 2 (chi)", SECOND: "track 3 (chi, Room)",
    }  # fmt: skip


def test_batches_clients_and_the_command_choose_a_track_and_what_of_the_channels(
    client: httpx.Client, live: Service, tmp_path: Path
) -> None:
    both = beside(said(0, 3.5), said(3.2, 1))
    path = containers.written(
        tmp_path / "a.mkv", "matroska",
        [Track(said(2), language="eng", is_default=True), Track(both, language="chi")],
    )  # fmt: skip
    with Client(live.url) as asked:
        assert asked.transcribe(path, track="2", channels="mix").text == f"{FIRST} {SECOND}"
        job = asked.submit([path], track="2", channels="split")
        assert asked.wait_for(job, within_seconds=PATIENCE_SECONDS).is_over
        with zipfile.ZipFile(io.BytesIO(asked.results(job))) as archive:
            name = next(name for name in archive.namelist() if name.endswith(".json"))
            body = json.loads(archive.read(name))
    assert [(s["speaker"], s["text"]) for s in body["segments"]] == [
        ("left", FIRST), ("right", SECOND),
    ]  # fmt: skip
    options = ("--url", live.url, "--track", "all", "--format", "text")
    done = typed.seacod("transcribe", path, *options)
    assert done.returncode == 0, done.stderr
    assert f"track 1 (eng):\n{THIRD}" in done.stdout
    answer = client.post(
        "/batch_transcribe", files={"files": ("a", path.read_bytes())}, data={"track": "0"}
    )
    assert answer.status_code == 400
    assert "track" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("field", "value"), [("track", "4"), ("track", "0"), ("track", "x"),
                                              ("channels", "left")])  # fmt: skip
def test_a_track_that_is_not_there_is_a_mistake_of_the_request(
    client: httpx.Client, tmp_path: Path, field: str, value: str
) -> None:
    answer = client.post(
        "/transcribe", files={"file": ("a", sounds.SPEECH.read_bytes())}, data={field: value}
    )
    assert answer.status_code == 400
    assert field in answer.json()["error"]["message"]


def test_a_channel_and_its_inverse_are_no_silence(client: httpx.Client, tmp_path: Path) -> None:
    path = containers.written(
        tmp_path / "a", "wav", [Track(beside(said(0), -said(0)), "pcm_s16le")]
    )
    body = heard(client, path)
    assert body["text"] == FIRST
    assert codes(body) == {"channel_taken"}


@pytest.mark.parametrize("channel", [0, 1])
def test_one_dead_channel_is_no_matter(client: httpx.Client, tmp_path: Path, channel: int) -> None:
    both = [np.zeros(len(said(0)), np.float32), np.zeros(len(said(0)), np.float32)]
    both[channel] = said(0)
    path = containers.written(tmp_path / "a", "wav", [Track(beside(*both), "pcm_s16le")])
    body = heard(client, path)
    assert body["text"] == FIRST
    assert not codes(body)


def test_the_same_voice_on_two_channels_is_one_voice(client: httpx.Client, tmp_path: Path) -> None:
    """As a stereo microphone hears it: later and a little less loud on one side, with its noise."""
    noise = np.random.default_rng(1).normal(0, 1e-3, (len(said(0, 0.5, 1)), 2)).astype(np.float32)
    voice = said(0, 0.5, 1)
    sound = beside(voice, 0.7 * np.roll(voice, 2)) + noise
    body = heard(client, containers.written(tmp_path / "a", "wav", [Track(sound, "pcm_s16le")]))
    assert FIRST in body["text"] and SECOND in body["text"]
    assert not codes(body)
    assert all(segment["speaker"] is None for segment in body["segments"])


def test_two_people_on_two_channels_are_heard_each_by_themselves(
    client: httpx.Client, tmp_path: Path
) -> None:
    """At the same time, too; their times overlap as they did."""
    sound = beside(said(0, 0.3, 1), said(0.4, 2, 0.2, 3))
    path = containers.written(tmp_path / "a", "wav", [Track(sound, "pcm_s16le")])
    body = heard(client, path)
    by_side = {
        side: "".join(s["text"] for s in body["segments"] if s["speaker"] == side)
        for side in ("left", "right")
    }
    assert by_side == {"left": FIRST + SECOND, "right": THIRD + sounds.EXAMPLES[3]["text"]}
    assert codes(body) == {"channels_split"}
    times = [segment["start"] for segment in body["segments"]]
    assert times == sorted(times)
    mixed = heard(client, path, channels="mix")
    assert "mixed" in codes(mixed)
    assert all(segment["speaker"] is None for segment in mixed["segments"])


def test_split_hears_every_channel(client: httpx.Client, tmp_path: Path) -> None:
    sound = beside(said(0, 4.0), said(3.2, 1), said(4.0), said(4.0))
    path = containers.written(tmp_path / "a", "wav", [Track(sound, "pcm_s16le")])
    body = heard(client, path, channels="split")
    assert [(s["speaker"], s["text"]) for s in body["segments"]] == [
        ("channel 1", FIRST), ("channel 2", SECOND),
    ]  # fmt: skip


def test_surround_sound_is_heard_from_its_middle(client: httpx.Client, tmp_path: Path) -> None:
    quiet = np.random.default_rng(1).normal(0, 2e-3, len(said(0))).astype(np.float32)
    sound = beside(quiet, quiet, said(0), quiet, quiet, quiet)
    path = containers.written(tmp_path / "a", "wav", [Track(sound, "pcm_s16le")])
    assert heard(client, path)["text"] == FIRST
