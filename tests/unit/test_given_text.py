"""Text from outside becomes text that everything of ours can take."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse

from seacod import protocol
from seacod.asr import hotword_formats
from seacod.system.text import given_text
from seacod.web.funasr_protocol.messages import FunasrWishes, understood
from seacod.with_model import ModelTable, WithModel

# Half characters, too.
ANY = st.text(st.characters(), max_size=300)


@given(ANY)
def test_a_name_is_one_line_that_can_be_written_everywhere(text: str) -> None:
    name = given_text.name(text)
    assert len(name.splitlines()) <= 1
    assert "\x1b" not in name
    assert len(name) == min(255, len(text))
    name.encode("utf-8")


def test_a_name_keeps_its_letters_and_its_end() -> None:
    assert given_text.name("会议　第2场 👩‍🏫.wav") == "会议　第2场 👩‍🏫.wav"
    assert given_text.name("a" * 300 + ".wav").endswith("aaa.wav")
    assert given_text.name("a\u202egpj.wav") == "a gpj.wav"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r'{"a": "\ud800"}', {"a": "\ufffd"}),
        (r'{"\uDFFF": ["x", {"b": "\ud83d"}]}', {"\ufffd": ["x", {"b": "\ufffd"}]}),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\\ud800"', r"\ud800"),
        ('"会议"', "会议"),
        ("[1, 2.5, null, true]", [1, 2.5, None, True]),
    ],
)
def test_json_has_no_half_characters(text: str, said: object) -> None:
    assert given_text.read_json(text) == said


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, r'"\ud80"'])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        given_text.read_json(text)


def test_half_a_character_of_a_client_is_in_no_answer() -> None:
    name = understood(r'{"mode": "offline", "wav_name": "\ud800.wav"}', FunasrWishes()).wishes.name
    PlainTextResponse(json.dumps({"wav_name": name}, ensure_ascii=False))


def test_half_a_character_in_a_list_of_hotwords_can_be_named_in_the_answer() -> None:
    found = hotword_formats.entries(r'["\ud800", "欣悦"]')
    assert [one.word for one in found] == ["\ufffd", "欣悦"]


def test_what_is_with_the_model_is_written_whatever_its_name(tmp_path: Path) -> None:
    table = ModelTable(tmp_path / "table", 1, slot=0)
    table.write([WithModel("ab" * 32, "\ud800.wav")])
    assert [one.digest for one in table.of("worker0")] == ["ab" * 32]
    beat = protocol.Beat(1, 0, 0.0, 0.0, running="\ud800.wav")
    assert protocol.decode(protocol.encode(beat)) == protocol.Beat(1, 0, 0.0, 0.0, running="?.wav")


@pytest.mark.parametrize("mark", ["\u0301\u0316", "\u05b0", "\U0001d165"])
def test_marks_that_would_be_sorted_for_seconds_are_left_out(mark: str) -> None:
    text = given_text.normalised("中" + mark * 50_000 + "国" + mark * 50_000)
    assert text.startswith("中")
    assert max(len(run) for run in _runs(text)) <= 30
    assert len(hotword_formats.entries("中" + mark * 50_000 + "国")) == 1


@given(st.text(st.characters(categories=("Lo", "Ll", "Mn", "Nd")), max_size=60))
def test_what_languages_write_is_normalised_as_ever(text: str) -> None:
    if all(len(run) <= 30 for run in _runs(text)):
        assert given_text.normalised(text) == unicodedata.normalize("NFKC", text)


def _runs(text: str) -> list[str]:
    return "".join(one if unicodedata.combining(one) else " " for one in text).split()
