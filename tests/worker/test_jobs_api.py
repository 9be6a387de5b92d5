"""Batches over HTTP: accepted, worked off, shown, fetched, canceled."""

from __future__ import annotations

import base64
import io
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
import sounds
from docx import Document
from supervised import PATIENCE_SECONDS, Service, wait_until

from seacod.asr.assembly import FOR_TRYING
from seacod.formats import registry


@pytest.fixture(scope="module")
def client(live: Service) -> httpx.Client:
    return httpx.Client(base_url=live.url, timeout=PATIENCE_SECONDS, trust_env=False)


def submit(client: httpx.Client, *files: tuple[str, bytes], hotwords: str = "") -> dict[str, Any]:
    answer = client.post(
        "/batch_transcribe",
        files=[("files", file) for file in files],
        data={"hotwords": hotwords} if hotwords else {},
    )
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == answer.json()["status_url"]
    body: dict[str, Any] = answer.json()
    return body


def finished(client: httpx.Client, job: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        body: dict[str, Any] = client.get(f"/jobs/{job}").json()
        return body if body["state"] in ("done", "canceled") else None

    return wait_until(look, "a finished job")


def test_a_batch_is_worked_off_and_its_failures_are_named(client: httpx.Client) -> None:
    speech = sounds.SPEECH.read_bytes()
    job = submit(
        client,
        ("会议 一.flac", speech),
        ("../../etc/passwd", b"no sound at all"),
        ("empty.wav", b""),
        ("b.wav", speech),
    )
    assert job["files"] == 4
    body = finished(client, job["job"])
    assert body["progress"] == 1.0
    assert body["counts"] == {"done": 2, "failed": 2}
    assert [file["state"] for file in body["files"]] == ["done", "failed", "failed", "done"]
    assert body["files"][0]["audio_seconds"] == pytest.approx(2.8, abs=0.1)
    assert [file["error"]["code"] for file in body["files"][1:3]] == ["bad_audio", "empty_audio"]

    answer = client.get(job["results_url"])
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = archive.namelist()
        assert "0001-会议 一.txt" in names
        assert not any(name.startswith("/") or ".." in name for name in names)
        assert archive.read("0001-会议 一.txt").decode() == sounds.SPEECH_TEXT + "\n"
        assert sounds.SPEECH_TEXT in archive.read("0004-b.srt").decode()
        assert json.loads(archive.read("0004-b.json"))["text"] == sounds.SPEECH_TEXT
        summary = json.loads(archive.read("summary.json"))
        assert [row["state"] for row in summary] == ["done", "failed", "failed", "done"]
        assert "not audio" in summary[1]["error"]
        assert archive.read("summary.csv").decode("utf-8-sig").count("\n") == 5
        # What a reader ought to know of each text.
        assert [row["warnings"] for row in summary] == [
            [FOR_TRYING.message],
            [],
            [],
            [FOR_TRYING.message],
        ]
        assert FOR_TRYING.chinese in archive.read("summary.csv").decode("utf-8-sig")
        assert {Path(name).suffix for name in names if name.startswith("0004")} == {
            one.ending for one in registry.all_formats() if one.is_in_zip
        }
        assert "docx" in {one.name for one in registry.all_formats() if one.is_in_zip}
        with archive.open("0004-b.docx") as document:
            written = Document(document)
        assert written.paragraphs[-1].text.endswith(sounds.SPEECH_TEXT)
        assert written.core_properties.title == "b"
    assert body["files"][0]["warnings_zh"] == [FOR_TRYING.chinese]
    assert body["files"][1]["warnings"] == []


def test_what_is_said_about_the_formats_holds_for_the_results_of_a_batch(
    client: httpx.Client,
) -> None:
    fields = {"max_line_characters": "4", "max_cue_seconds": "1.5", "show_warnings": "true"}
    files = [("files", ("a.wav", sounds.SPEECH.read_bytes()))]
    answer = client.post("/batch_transcribe", data=fields, files=files)
    assert answer.status_code == 202, answer.text
    assert answer.json()["warnings"] == []
    finished(client, answer.json()["job"])
    results = client.get(answer.json()["results_url"]).content
    with zipfile.ZipFile(io.BytesIO(results)) as archive:
        lines = archive.read("0001-a.srt").decode().splitlines()
        assert archive.read("0001-a.txt").decode().startswith(f"注意：{FOR_TRYING.chinese}\n")
        told = json.loads(archive.read("0001-a.json"))
    texts = [line for line in lines if line and "-->" not in line and not line.isdigit()]
    assert "".join(texts) == sounds.SPEECH_TEXT
    assert max(map(len, texts)) <= 4
    # Nobody has asked for the wave.
    assert "peaks" not in told
    refused = client.post("/batch_transcribe", data={"max_cue_seconds": "0"}, files=files)
    assert (refused.status_code, "max_cue_seconds" in refused.text) == (400, True)


def test_a_batch_brings_the_wave_of_each_recording(client: httpx.Client) -> None:
    answer = client.post(
        "/batch_transcribe", data={"peaks": "true"},
        files=[("files", ("a.wav", sounds.SPEECH.read_bytes()))],
    )  # fmt: skip
    finished(client, answer.json()["job"])
    with zipfile.ZipFile(io.BytesIO(client.get(answer.json()["results_url"]).content)) as archive:
        told = json.loads(archive.read("0001-a.json"))
    levels = base64.b64decode(told["peaks"]["values"])
    assert len(levels) == math.ceil(told["duration"] * 10)
    # Speech, and the silence around it.
    assert max(levels) > 100 > 20 > min(levels)


def test_uploads_of_a_finished_batch_are_gone_results_stay(
    client: httpx.Client, live: Service
) -> None:
    job = submit(client, ("a.wav", sounds.SPEECH.read_bytes()))["job"]
    finished(client, job)
    directory = live.directory / "state" / "jobs" / job
    wait_until(lambda: not list((directory / "in").iterdir()), "no recording left")
    assert [path.name for path in (directory / "out").iterdir()] == ["0001.json"]


def test_a_batch_that_is_over_can_be_deleted(client: httpx.Client, live: Service) -> None:
    job = submit(client, ("a.flac", sounds.SPEECH.read_bytes()), ("b.wav", b"no sound"))["job"]
    finished(client, job)
    mistyped = client.delete(f"/jobs/{job}", params={"only": "opne"})
    assert (mistyped.status_code, client.get(f"/jobs/{job}").status_code) == (400, 200)
    assert client.delete(f"/jobs/{job}").json()["state"] == "deleted"
    assert client.get(f"/jobs/{job}").status_code == 404
    assert client.get(f"/jobs/{job}/results").status_code == 404
    assert not (live.directory / "state" / "jobs" / job).exists()


def test_what_is_no_batch_is_refused(client: httpx.Client, live: Service) -> None:
    def jobs_on_disk() -> set[str]:
        return {p.name for p in (live.directory / "state" / "jobs").iterdir() if p.is_dir()}

    before = jobs_on_disk()
    assert client.post("/batch_transcribe", data={"hotwords": "x"}).status_code == 400
    empty = client.post("/batch_transcribe", files={"other": (None, "x")})
    assert empty.status_code == 400
    assert "curl -F files=" in empty.json()["error"]["message"]
    assert jobs_on_disk() == before
    for method, path in (
        ("GET", "/jobs/nothing"),
        ("DELETE", "/jobs/nothing"),
        ("GET", "/jobs/nothing/results"),
    ):
        assert client.request(method, path).status_code == 404
