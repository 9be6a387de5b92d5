"""Recordings and lists as others have sent them (tests/cases), each with its right value. The kinds
are tested where they belong; these are the first of each."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from supervised import PATIENCE_SECONDS, ROOT, Service

CASES = ROOT / "tests" / "cases"
FIRST = "今天天气很好"
NAMES = ("欣悦", "宏宇")


def sent(service: Service, name: str, **fields: str) -> httpx.Response:
    return httpx.post(
        f"{service.url}/transcribe", files={"file": (name, (CASES / name).read_bytes())},
        data=fields, timeout=PATIENCE_SECONDS, trust_env=False,
    )  # fmt: skip


def heard(service: Service, name: str, **fields: str) -> dict[str, Any]:
    answer = sent(service, name, **fields)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def codes(body: dict[str, Any]) -> set[str]:
    return {one["code"] for one in body["warning_details"]}


@pytest.mark.parametrize("name", ["first_silent.mkv", "antiphase.wav", "flac_huge_count.flac"])
def test_a_sentence_is_heard(live: Service, name: str) -> None:
    assert heard(live, name)["text"] == FIRST


def test_a_late_track_has_its_words_where_a_player_has_them(live: Service) -> None:
    """offset5.mp4: the sound starts 4.94 s into the file."""
    body = heard(live, "offset5.mp4")
    assert body["segments"][0]["start"] == pytest.approx(5.2, abs=0.3)


def test_a_gap_moves_nothing_and_is_told(live: Service) -> None:
    """gap.m4a: packets of 6.8 to 17 s are missing, time stamps kept."""
    body = heard(live, "gap.m4a")
    (after,) = [one for one in body["segments"] if "九点二十分" in one["text"]]
    assert after["start"] == pytest.approx(17.2, abs=0.3)
    assert body["duration"] == pytest.approx(30.7, abs=0.1)
    assert "missing" in codes(body)


def test_what_was_cut_off_is_told_with_both_lengths(live: Service) -> None:
    (told,) = [one for one in heard(live, "cut_m4a_fast.m4a")["warnings"] if "header says" in one]
    assert "30.7 s" in told
    assert "14." in told


def test_a_length_that_is_guessed_refuses_nobody(live: Service) -> None:
    """vbr_noxing.mp3: 32.8 s, 173 by its first bit rate; the limit here is 60."""
    body = heard(live, "vbr_noxing.mp3")
    assert body["text"]
    assert body["duration"] == pytest.approx(32.8, abs=0.2)


def test_speech_without_a_pause_fits_a_screen(live: Service) -> None:
    """cont.opus: 17.6 s."""
    cues = sent(live, "cont.opus", format="srt").text.strip().split("\n\n")
    assert len(cues) >= 3
    for cue in cues:
        _, times, *lines = cue.splitlines()
        begin, end = (
            sum(float(part) * unit for part, unit in zip(t.replace(",", ".").split(":"),
                                                         (3600, 60, 1), strict=True))
            for t in times.split(" --> ")
        )  # fmt: skip
        assert end - begin <= 7.0
        assert len(lines) <= 2
        assert sum(map(len, lines)) <= 40


def test_a_header_without_sound_is_empty(live: Service) -> None:
    refused = sent(live, "webm_header280.webm")
    assert refused.status_code == 400, refused.text
    assert refused.json()["error"]["code"] == "empty_audio", refused.text


def test_a_name_that_is_only_given_with_a_star_is_a_name(live: Service) -> None:
    """filename_star.body: `filename*=` alone, as older clients send Chinese names."""
    answer = httpx.post(
        f"{live.url}/transcribe", content=(CASES / "filename_star.body").read_bytes(),
        headers={"Content-Type": "multipart/form-data; boundary=----x"},
        timeout=PATIENCE_SECONDS, trust_env=False,
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    assert answer.json()["text"] == FIRST


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hotwords_weights.txt", NAMES),
        ("hotwords_json.txt", NAMES),
        ("hotwords_fullstop.txt", NAMES[:1]),
    ],
)
def test_a_list_as_people_have_it_is_its_words(
    live: Service, name: str, words: tuple[str, ...]
) -> None:
    given = (CASES / name).read_text("utf-8")
    body = heard(live, "flac_huge_count.flac", hotwords=given)
    assert tuple(one["word"] for one in body["hotwords"]) == words
    assert all(one["status"] != "ignored" for one in body["hotwords"])
