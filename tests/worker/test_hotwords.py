"""Hotwords: what people type is cleaned, and nothing FunASR would act upon gets through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seacod.asr import hotwords
from seacod.asr.hotwords import MAX_CHARACTERS
from seacod.asr.recognisers.base import Spelling
from seacod.asr.recognisers.units import Speller


@pytest.mark.parametrize(
    "typed",
    [
        "达摩院 阿里巴巴", "达摩院,阿里巴巴", "达摩院，阿里巴巴", "达摩院\n阿里巴巴\n",
        "达摩院、阿里巴巴；",
        ["达摩院", "阿里巴巴"], "  达摩院   阿里巴巴  达摩院",
    ],
)  # fmt: skip
def test_any_separator_will_do(typed: str | list[str]) -> None:
    assert hotwords.parse(typed, 50).words == ("达摩院", "阿里巴巴")


def test_none_is_none() -> None:
    assert hotwords.parse(None, 50).words == ()
    assert hotwords.parse(" \n,", 50).words == ()


def test_full_width_letters_are_the_same_letters() -> None:
    assert hotwords.parse("ＧＰＵ", 50).words == ("GPU",)


# seaco_paraformer/model.py, generate_hotwords_list: each of these does something else there.
@pytest.mark.parametrize(
    "trick",
    ["http://127.0.0.1:9/words.txt", "https://example.org/list", "HTTP://X", "/etc/passwd",
     "/etc/hostname.txt", "words.txt", "..", "<s>", "<no_bias>", "-", "$(reboot)"],
)  # fmt: skip
def test_nothing_funasr_would_open_or_fetch_gets_through(trick: str) -> None:
    clean = hotwords.parse(f"{trick} 达摩院", 50)
    assert clean.words == ("达摩院",)
    assert clean.ignored[0].status == "ignored"
    assert "not a word" in clean.ignored[0].reason


def test_too_long_and_too_many_are_said() -> None:
    long = "长" * (MAX_CHARACTERS + 1)
    clean = hotwords.parse(f"{long} 一 二 三", 2)
    assert clean.words == ("一", "二")
    reasons = [report.reason for report in clean.ignored]
    assert reasons == ["longer than 20 characters", "only the first 2 hotwords count"]


@given(st.text(max_size=300), st.integers(1, 50))
def test_whatever_is_typed_only_words_come_out(typed: str, limit: int) -> None:
    clean = hotwords.parse(typed, limit)
    assert len(clean.words) <= limit
    prompt = " ".join(clean.words)
    assert not prompt.lower().startswith("http")
    assert not prompt.endswith(".txt")
    assert not set(prompt) & set("/\\.<>:\"'\n\t$`") - {"'"}
    for word in clean.words:
        assert 0 < len(word) <= MAX_CHARACTERS


def test_each_word_is_told_what_became_of_it() -> None:
    clean = hotwords.parse("今天 明天 龘龘 GPU http://x", 50)
    speller = Speller([*"今天明气很好"], {})

    def spell(word: str) -> Spelling:
        spelled = speller.spell(word)
        return Spelling(spelled.forms, spelled.missing)

    reports = hotwords.report(clean, "今天天气很好", spell)
    assert [(r.word, r.status) for r in reports] == [
        ("今天", "matched"),
        ("明天", "not_heard"),
        ("龘龘", "unknown_characters"),
        ("GPU", "unknown_characters"),
        ("http://x", "ignored"),
    ]
    assert "龘" in reports[2].reason
