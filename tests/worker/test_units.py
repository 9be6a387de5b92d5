"""Hotwords in the units of a model that writes English in pieces, as the published ones do."""

from __future__ import annotations

from pathlib import Path

import pytest

from seacod.asr.recognisers.units import Speller, read_segments

LETTERS = [*"abcdefghijklmnopqrstuvwxyz"]
TOKENS = [
    "<blank>", "<s>", "</s>", *LETTERS, *(f"{letter}@@" for letter in LETTERS), "tran@@", "sf@@",
    "orm@@", "er", "it", "it's", "new", "ku@@", "ber@@", "netes", "start",
    *"零一二三四五六七八九十百千驱动卡尔马克思号年", "<unk>",
]  # fmt: skip
SEGMENTS = {
    "transformer": ("tran@@", "sf@@", "orm@@", "er"), "it's": ("it's",), "it": ("it",),
    "new": ("new",), "broken": ("bro@@", "ken"),
}  # fmt: skip


@pytest.fixture(scope="module")
def speller() -> Speller:
    return Speller(TOKENS, SEGMENTS)


@pytest.mark.parametrize(
    ("word", "ways"),
    [
        ("transformer", ["tran@@ sf@@ orm@@ er"]),
        ("Transformer", ["tran@@ sf@@ orm@@ er"]),
        ("GPU驱动", ["g p u 驱 动"]),
        ("gpu", ["g p u"]),
        ("5G", ["五 g"]),
        ("12号", ["十 二 号", "一 二 号"]),
        ("2024年", ["二 千 零 二 十 四 年", "二 零 二 四 年"]),
        ("007", ["零 零 七"]),
        ("110", ["一 百 一 十", "一 一 零"]),
        ("it's", ["it's"]),
        ("IT", ["it", "i t"]),
        ("卡尔·马克思", ["卡 尔 马 克 思"]),
        ("kubernetes", ["ku@@ ber@@ netes"]),
        ("New Start", ["new start"]),
        ("new-start", ["new start"]),
        ("A号", ["a 号"]),
    ],
)
def test_a_word_is_written_as_the_model_would(speller: Speller, word: str, ways: list[str]) -> None:
    found = [" ".join(way) for way in speller.spell(word).ways]
    assert found == ways


@pytest.mark.parametrize(
    ("word", "missing"),
    [
        ("龘龘", "龘"),
        ("阿里雲", "阿里雲"),
        ("5龘G", "龘"),
        ("Ω", "ω"),
        ("·", "·"),
    ],
)
def test_what_would_be_unknown_is_named(speller: Speller, word: str, missing: str) -> None:
    spelled = speller.spell(word)
    assert spelled.ways == ()
    assert spelled.missing == missing


def test_a_model_of_characters_alone_says_that_it_writes_no_english() -> None:
    spelled = Speller([*"今天天气"], {}).spell("GPU今天")
    assert (spelled.ways, spelled.missing) == ((), "gpu")


def test_every_unit_is_one_the_model_has(speller: Speller) -> None:
    for word in ("broken", "Wi-Fi", "it'll", "A1B2", "x" * 40, "零一二"):
        spelled = speller.spell(word)
        assert all(unit in TOKENS for way in spelled.ways for unit in way), word
        assert bool(spelled.ways) != bool(spelled.missing)


def test_segments_are_read_as_they_are_published(tmp_path: Path) -> None:
    file = tmp_path / "seg_dict"
    assert read_segments(file) == {}
    file.write_text("transformer tran@@ sf@@\n我 我\n\nlonely\n", "utf-8")
    assert read_segments(file) == {"transformer": ("tran@@", "sf@@"), "我": ("我",)}
