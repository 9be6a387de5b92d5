"""Hotwords: what people type is cleaned, and nothing FunASR would act upon gets through."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seacod.asr import hotword_formats, hotwords
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
     "/etc/hostname.txt", "words.txt", "..", "<s>", "<no_bias>", "$(reboot)"],
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
    assert reasons == ["longer than 40 characters", "only the first 2 hotwords count"]


def test_every_word_over_the_limit_is_named_or_said_to_be_left_out() -> None:
    clean = hotwords.parse("\n".join(f"词{n}" for n in range(1_500)), 1_000)
    assert len(clean.words) == 1_000
    assert [one.word for one in clean.ignored] == [f"词{n}" for n in range(1_000, 1_500)]
    assert "only the first 1,000 hotwords" in clean.ignored[0].reason
    assert clean.warnings == ()
    assert hotwords.parse("\n".join(f"词{n}" for n in range(2_500)), 100).warnings == (
        hotwords.NOT_NAMED,
    )
    assert hotwords.NOT_READ in hotwords.parse("一 " * 60_000, 100).warnings


def test_weights_are_read_and_answered_with_one_remark() -> None:
    clean = hotwords.parse("欣悦 20\n宏宇 30\n海鸟 -5\n", 50)
    assert clean.words == ("欣悦", "宏宇")
    assert clean.warnings == (hotwords.WEIGHTS,)
    # To be told to listen for it would be the opposite of what was asked for.
    assert clean.ignored[0].word == "海鸟"
    assert "less likely" in clean.ignored[0].reason


@given(st.text(max_size=300), st.integers(1, 50))
def test_whatever_is_typed_only_words_come_out(typed: str, limit: int) -> None:
    clean = hotwords.parse(typed, limit)
    assert len(clean.words) <= limit
    prompt = " ".join(clean.words)
    assert not set(prompt) & set('/\\.<>:"\n\t$`')
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


def test_a_word_is_found_as_it_is_written_and_as_it_is_said() -> None:
    speller = Speller([*"五驱动卡尔马克思gpu"], {})

    def spell(word: str) -> Spelling:
        spelled = speller.spell(word)
        return Spelling(spelled.forms, spelled.missing)

    clean = hotwords.parse("GPU驱动 5G 卡尔·马克思", 50)
    text = "他说GPU驱动和五G，还有卡尔马克思"
    assert [one.status for one in hotwords.report(clean, text, spell)] == ["matched"] * 3


def test_of_the_servers_words_those_that_were_heard_are_told() -> None:
    own = hotwords.parse("今天 后天", 50)
    joined = own.joined(hotwords.parse("今天 天气 海鸟", 50)).joined(hotwords.parse("海鸥", 50))
    assert joined.words == ("今天", "后天", "天气", "海鸟", "海鸥")
    reports = hotwords.report(joined, "今天天气很好", lambda word: Spelling((word,)))
    assert [(one.word, one.status, one.reason) for one in reports] == [
        ("今天", "matched", ""), ("后天", "not_heard", ""),
        ("天气", "matched", hotwords.FROM_SERVER),
    ]  # fmt: skip


@pytest.mark.parametrize("size", [100, 4_000, 300_000])
def test_a_file_that_is_no_text_is_told_with_a_number(size: int) -> None:
    content = random.Random(size).randbytes(size)
    found = hotwords.parse(hotword_formats.decoded(content), 1_000)
    (told,) = (one for one in found.warnings if one.code == hotwords.UNUSABLE_CODE)
    assert "it is not a text file" in told.message and found.trouble in told.message
    assert any(figure.isdigit() for figure in told.message)
    assert "不是文本文件" in told.chinese


def test_a_list_of_which_most_is_no_word_is_told_with_both_numbers() -> None:
    found = hotwords.parse("\n".join([*(f"<{n}>=</{n}>" for n in range(30)), "欣悦"]), 1_000)
    assert found.trouble == "30 of its 31 entries are not hotwords"
    assert [one.code for one in found.warnings] == ["hotwords_unusable"]


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "gbk", "utf-16"])
def test_a_list_of_words_is_one_in_any_coding(coding: str) -> None:
    text = "\r\n".join(["欣悦 20", "\tGPU驱动", "machine learning", "<nobody>"] * 500)
    assert hotwords.parse(hotword_formats.decoded(text.encode(coding)), 1_000).trouble == ""
    # More than are used are words all the same.
    many = " ".join(f"词{n}" for n in range(3_000))
    assert hotwords.parse(many, 10).trouble == ""
