"""Sentences with their times, and numbers in digits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seacod.asr.itn import InverseTextNormaliser
from seacod.asr.sentences import sentences
from seacod.transcript import Token


def tokens(words: list[str]) -> list[Token]:
    return [Token(word, float(n), n + 0.5, 0.5) for n, word in enumerate(words)]


def test_punctuation_divides_and_each_part_gets_its_words() -> None:
    found = list(
        sentences(
            "你好，世界。今天 ok 吗？好！", tokens(list("你好世界今天") + ["ok", "吗", "好"]), 0, 9
        )
    )
    assert [s.text for s in found] == ["你好，世界。", "今天 ok 吗？", "好！"]
    assert [(s.start_seconds, s.end_seconds) for s in found] == [(0, 3.5), (4, 7.5), (8, 9)]
    assert ["".join(t.text for t in s.tokens) for s in found] == ["你好世界", "今天ok吗", "好"]


def test_without_punctuation_a_piece_is_a_sentence() -> None:
    (only,) = sentences("你好世界", tokens(list("你好世界")), 1.0, 3.0)
    assert (only.start_seconds, only.end_seconds, only.confidence) == (1.0, 3.0, 0.5)


def test_without_punctuation_a_pause_divides() -> None:
    times = {"你": 1.0, "好": 1.3, "世": 2.4, "界": 2.6}
    said = [Token(word, at, at + 0.2, 0.5) for word, at in times.items()]
    first, second = sentences("你好世界", said, 0.8, 3.0)
    assert (first.text, first.start_seconds, first.end_seconds) == ("你好", 0.8, 1.5)
    assert (second.text, second.start_seconds, second.end_seconds) == ("世界", 2.4, 3.0)


def test_text_that_was_rewritten_stays_whole() -> None:
    """Digits cannot be counted against what was said."""
    (only,) = sentences("一共250块。好的。", tokens(list("一共二百五十块好的")), 0.0, 9.0)
    assert only.text == "一共250块。好的。"
    assert len(only.tokens) == 9


@given(
    st.text(st.sampled_from("你好a b1。？！…，")),
    st.lists(st.sampled_from(["你", "好", "ab", "1"])),
)
def test_nothing_is_lost_whatever_the_text(written: str, words: list[str]) -> None:
    found = list(sentences(written, tokens(words), 0.0, 100.0))
    said = "".join(t.text for s in found for t in s.tokens)
    assert said == "".join(words)
    assert "".join("".join(s.text.split()) for s in found) == "".join(written.split())


def test_numbers_are_written_in_digits() -> None:
    writer = InverseTextNormaliser(is_on=True)
    writer.load()
    assert writer.write("一共二百五十块钱，百分之二十") == "一共250块钱，20%"
    assert writer.write("") == ""
    off = InverseTextNormaliser(is_on=False)
    off.load()
    assert off.write("二百五十") == "二百五十"
