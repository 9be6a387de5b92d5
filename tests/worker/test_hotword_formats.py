"""Hotwords in every form that people have them in."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seacod.asr import hotword_formats, hotwords
from seacod.asr.hotword_formats import decoded

TWO = ("欣悦", "宏宇")


@pytest.mark.parametrize(
    "text",
    [
        # FunASR's runtime: a word and its weight a line; its JSON.
        "欣悦 20\n宏宇 30\n",
        '{"欣悦": 20, "宏宇": 30}',
        "欣悦\t20\r\n宏宇\t30.5\r\n",
        "欣悦　２０\n宏宇　３０",
        "欣悦,20\n宏宇,30",
        "欣悦:20\n宏宇：30",
        "欣悦=20 宏宇=30",
        "欣悦 20 宏宇 30",
        "欣悦;20;宏宇;30",
        "欣悦 200\n宏宇 1000",
        '"欣悦"\t"20"\n"宏宇"\t"30"',
        "热词,权重\n欣悦,20\n宏宇,30",
        "word weight\n欣悦 20\n宏宇 30",
        # Other JSON.
        '["欣悦", "宏宇"]',
        '[["欣悦", 20], ["宏宇", "30"]]',
        '{"hotwords": ["欣悦", "宏宇"]}',
        '[{"word": "欣悦", "weight": 20}, {"hotword": "宏宇"}]',
        '{"hotwords": {"欣悦": 20, "宏宇": 1}}',
        '{"word": "欣悦"}\n{"word": "宏宇"}',
        '{"人名": ["欣悦", "宏宇"]}',
        '{"欣悦": "20", "宏宇": null}',
        "{'欣悦': 20, '宏宇': 30,}",
        "{“欣悦”：20，“宏宇”：30}",
        '{\n  "欣悦": 20,\n  "宏宇": 30\n}\n',
        '\ufeff["欣悦 20", "宏宇 30"]',
        '["欣悦、宏宇"]',
        # As they are typed, and what editors and spreadsheets make of it.
        "\ufeff欣悦\r\n宏宇\r\n",
        "欣悦。\n宏宇。",
        "欣悦、宏宇。",
        "《欣悦》“宏宇”",
        "1. 欣悦\n2. 宏宇",
        "1、欣悦\n2、宏宇",
        "（1）欣悦\n（2）宏宇",
        "- 欣悦\n- 宏宇",
        "# 人名\n欣悦 # 她\n// 他\n宏宇 //他",
        "欣悦(人名) （人名）宏宇",
        "欣悦\u200b\n宏\ufeff宇",
        "★欣悦\n★宏宇",
        "欣悦/宏宇",
        "欣悦\u2028宏宇",
        "欣悦\n欣悦\n\n\n宏宇\n欣悦",
        "欣悦，宏宇，",
        '"欣悦","宏宇"',
        "欣悦\n宏宇\n" + "长" * 500,
    ],
)
def test_both_words_come_out_and_nothing_else(text: str) -> None:
    assert hotwords.parse(text, 50).words == TWO


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_a_file_may_be_in_the_encoding_of_its_editor(encoding: str) -> None:
    assert hotwords.parse(decoded("欣悦 20\r\n宏宇 30".encode(encoding)), 50).words == TWO


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("GPU驱动 5G it's", ("GPU驱动", "5G", "it's")),
        ("卡尔·马克思 20", ("卡尔·马克思",)),
        ("12306", ("12306",)),
        ("客服 10086", ("客服", "10086")),
        ("报警 110 急救 120", ("报警", "110", "急救", "120")),
        ("工商银行 95588\n客服 10086", ("工商银行", "95588", "客服", "10086")),
        # A line, a weight or JSON makes one of English words; blanks alone separate.
        ("machine learning\ndeep learning", ("machine learning", "deep learning")),
        ("machine learning 20", ("machine learning",)),
        ('["machine learning", "New York"]', ("machine learning", "New York")),
        ("New York", ("New", "York")),
        ("阿里雲 iPhone15", ("阿里雲", "iPhone15")),
    ],
)
def test_a_word_stays_whole(text: str, words: tuple[str, ...]) -> None:
    assert hotwords.parse(text, 50).words == words


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        '{"a":' * 20_000,
        "{}",
        "[[[[[[[[[[1]]]]]]]]]]",
        '{"a": 1e999}',
        "[]",
        "\x00",
    ],
)
def test_nothing_ends_the_reading(text: str) -> None:
    hotwords.parse(text, 50)


# Nothing that is read as a mark, a comment, a phrase or a weight.
WORDS = st.text("欣悦宏宇海鸟天气", min_size=1, max_size=5)


@given(st.dictionaries(WORDS, st.integers(1, 100), min_size=1, max_size=20))
def test_lines_and_json_say_the_same(weighed: dict[str, int]) -> None:
    lines = "\n".join(f"{word} {weight}" for word, weight in weighed.items())
    for text in (lines, json.dumps(weighed), json.dumps(weighed, ensure_ascii=False, indent=2)):
        found = hotword_formats.entries(text)
        assert {entry.word: entry.weight for entry in found} == weighed
