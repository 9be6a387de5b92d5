"""Subtitles fit a screen: how sentences become cues."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seacod.client.calls import form_fields
from seacod.errors import BadRequest
from seacod.formats import registry
from seacod.formats.asked import choices
from seacod.formats.base import CueLimits
from seacod.formats.cues import Cue, cues
from seacod.formats.words import is_wide, words_of
from seacod.transcript import Segment, Token, Transcript

DEFAULT = CueLimits()
FORMATS = {one.name: one for one in registry.all_formats()}


def sentence(text: str, start: float = 0.0, step: float = 0.3, speaker: str | None = None):
    """A sentence of which each character is said for a time."""
    tokens = [
        Token(c, start + n * step, start + (n + 1) * step)
        for n, c in enumerate(c for c in text if c.isalnum())
    ]
    return Segment(start, tokens[-1].end_seconds, text, None, tuple(tokens), speaker)


def shown(found: list[Cue]) -> list[str]:
    return ["|".join(cue.lines) for cue in found]


def transcript(*segments: Segment) -> Transcript:
    text = " ".join(segment.text for segment in segments)
    return Transcript(text, segments, segments[-1].end_seconds, 1, 0, None, "builtin", "cpu")


def test_a_long_sentence_without_a_pause_is_cut_into_cues_that_fit() -> None:
    found = cues([sentence("今" * 57)], 17.1, DEFAULT)
    assert len(found) == 3
    assert all(1.0 <= cue.end_seconds - cue.start_seconds <= 7.0 for cue in found)
    assert all(len(line) <= 20 for cue in found for line in cue.lines)
    assert (found[0].start_seconds, found[-1].end_seconds) == (0.0, 17.1)


def test_cuts_are_at_punctuation_and_times_are_those_of_the_words() -> None:
    text = "我们昨天下午一起去了新开的图书馆，借了三本关于历史和天文的书，今天早上已经看完一本了。"
    found = cues([sentence(text, step=0.25)], 12.0, DEFAULT)
    assert shown(found) == [
        "我们昨天下午一起去了新开的图书馆，",
        "借了三本关于历史和天文的书，|今天早上已经看完一本了。",
    ]
    assert [cue.start_seconds for cue in found] == [0.0, 4.0]


def test_cuts_are_at_pauses_where_there_is_no_punctuation() -> None:
    said, later = sentence("一" * 15), sentence("二" * 15, 15 * 0.3 + 0.6)
    both = Segment(0.0, later.end_seconds, said.text + later.text, None, said.tokens + later.tokens)
    assert shown(cues([both], 20.0, DEFAULT)) == ["一" * 15, "二" * 15]


def test_latin_words_and_numbers_are_never_cut() -> None:
    text = "The well-known hunter doesn't walk 3.5 miles or 10,000 steps in new_york at 10:30 " * 3
    found = cues([Segment(0.0, 40.0, text)], 40.0, CueLimits(7.0, 16, 16))
    written = " ".join(line for cue in found for line in cue.lines)
    assert written.split() == text.split()
    assert all(len(line) <= 16 for cue in found for line in cue.lines)


def test_a_word_wider_than_a_line_is_alone() -> None:
    found = cues([Segment(0.0, 9.0, f"see {'w' * 60} there")], 9.0, DEFAULT)
    assert shown(found) == ["see", "w" * 60, "there"]


def test_numbers_written_as_figures_have_the_time_in_which_they_were_said() -> None:
    said = sentence("一共八点五元吗")
    words = words_of(Segment(0.0, 2.1, "一共8.5元吗？", None, said.tokens))
    assert [word.text for word in words] == ["一", "共", "8.5", "元", "吗？"]
    assert words[2].start_seconds == pytest.approx(0.6)
    assert words[2].end_seconds == pytest.approx(1.5)


def test_a_short_cue_lasts_a_second_and_short_gaps_are_closed() -> None:
    found = cues([sentence("好"), sentence("我们走吧", 1.3), sentence("再见", 9.0)], 9.7, DEFAULT)
    assert shown(found) == ["好", "我们走吧", "再见"]
    assert [(cue.start_seconds, cue.end_seconds) for cue in found] == [
        (0.0, 1.3), (1.3, 2.5), (8.7, 9.7),
    ]  # fmt: skip


def test_a_word_without_a_second_of_its_own_is_shown_with_what_follows() -> None:
    assert shown(cues([sentence("好"), sentence("我们走吧", 0.4)], 3.0, DEFAULT)) == ["好 我们走吧"]


def test_the_name_of_who_speaks_counts_where_it_is_written() -> None:
    said = transcript(sentence("今" * 20, speaker="S1"), sentence("明" * 4, 6.0, speaker="S2"))
    srt = FORMATS["srt"].write(said)
    assert "S1: 今今" in srt
    assert "\nS2: 明明明明\n" in srt
    assert max(len(line) for line in srt.splitlines() if "今" in line) <= 20
    vtt = FORMATS["vtt"].write(said)
    assert f"<v S1>{'今' * 20}\n" in vtt


def test_a_request_says_what_fits_its_screen() -> None:
    chosen = choices({"max_line_characters": "10", "max_cue_seconds": "3.5"})
    limits = chosen.cue_limits
    assert limits == CueLimits(3.5, 10, 10)
    said = transcript(sentence("今" * 57))
    srt = FORMATS["srt"].write(said, chosen)
    assert srt.count("-->") >= 5
    assert max(len(line) for line in srt.splitlines() if "今" in line) <= 10
    assert choices({"max_line_characters": "", "max_cue_seconds": ""}).cue_limits == DEFAULT


@pytest.mark.parametrize("given", ["0", "-1", "3", "201", "1e9", "many", "4.5", "٣٠", "9" * 40])
def test_a_line_of_nonsense_is_refused(given: str) -> None:
    with pytest.raises(BadRequest, match="max_line_characters: use a whole number from 4 to 200"):
        choices({"max_line_characters": given})


@pytest.mark.parametrize("given", ["0", "-1", "0.5", "61", "nan", "inf", "long", "9" * 400])
def test_seconds_of_nonsense_are_refused(given: str) -> None:
    with pytest.raises(BadRequest, match="max_cue_seconds: use a number from 1 to 60"):
        choices({"max_cue_seconds": given})


def test_plain_text_has_paragraphs_by_pauses_and_speakers() -> None:
    parts = [sentence("今天天气很好", 2.0 * n) for n in range(3)]
    after_a_pause = sentence("我们走吧", 10.0)
    text = FORMATS["text"]
    assert text.write(transcript(*parts)) == " ".join(["今天天气很好"] * 3) + "\n"
    paragraphs = text.write(transcript(*parts, after_a_pause)).splitlines()
    assert paragraphs == [" ".join(["今天天气很好"] * 3), "我们走吧"]
    lines = text.write(transcript(sentence("你好", speaker="S1"), sentence("好", 1, speaker="S2")))
    assert lines == "S1: 你好\nS2: 好\n"


def test_ten_minutes_of_plain_text_are_not_one_line() -> None:
    parts = [sentence("今天天气很好", 1.8 * n) for n in range(330)]
    lines = FORMATS["text"].write(transcript(*parts)).splitlines()
    assert 9 <= len(lines) <= 11
    assert "".join("".join(lines).split()) == "今天天气很好" * 330


def test_who_is_talked_over_can_still_be_read() -> None:
    long = Segment(0.0, 5.0, "今" * 30, None, (), "A")
    found = cues(
        [long, Segment(0.2, 1.0, "好的", None, (), "B"), sentence("嗯", 0.3)], 6.0, DEFAULT
    )
    assert shown(found) == ["今" * 15 + "|" + "今" * 15, "好的", "嗯"]
    assert [(cue.start_seconds, cue.end_seconds) for cue in found] == [
        (0.0, 1.8), (1.8, 2.8), (2.8, 3.8),
    ]  # fmt: skip


def test_the_client_sends_what_fits_the_screen() -> None:
    assert form_fields({"max_line_characters": 12, "max_cue_seconds": 4.5}) == {
         "max_line_characters": "12", "max_cue_seconds": "4.5",
    }  # fmt: skip
    fields = form_fields({"max_line_characters": 12, "max_cue_seconds": 4.5})
    assert choices(fields).cue_limits == CueLimits(4.5, 12, 12)
    assert form_fields({"hotwords": "a", "speakers": "true", "track": ""}) == {
        "hotwords": "a",
        "speakers": "true",
    }


LETTERS = st.sampled_from("今天好hello42 ，。！,.-'“”（）é<>&")
SENTENCES = st.tuples(
    st.text(LETTERS, max_size=120),
    st.floats(0.0, 3.0),
    st.lists(st.tuples(st.floats(0.0, 2.0), st.floats(0.0, 1.0)), max_size=130),
    st.booleans(),
)
LIMITS = st.builds(CueLimits, st.floats(1.0, 10.0), st.integers(4, 30), st.integers(4, 60))


def made(told: list[tuple[str, float, list[tuple[float, float]], bool]]) -> list[Segment]:
    """Sentences of one speaker after the other, with tokens of any length, or without."""
    found, now = [], 0.0
    for text, pause, times, is_lower in told:
        start = now = now + pause
        tokens = []
        for character, (spoken, silent) in zip(filter(str.isalnum, text), times, strict=False):
            tokens.append(Token(character, now, now + spoken))
            now += spoken + silent
        now = now if tokens else now + 0.2 * len(text)
        found.append(Segment(start, now, text.lower() if is_lower else text, None, tuple(tokens)))
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(SENTENCES, min_size=1, max_size=4), LIMITS)
def test_whatever_was_said_cues_are_ordered_fit_and_lose_nothing(told, limits: CueLimits) -> None:
    segments = made(told)
    end = segments[-1].end_seconds
    found = cues(segments, end, limits)
    for cue in found:
        assert 0.0 <= cue.start_seconds <= cue.end_seconds <= end + 0.001
        assert cue.end_seconds - cue.start_seconds <= limits.seconds + 0.001
        assert 1 <= len(cue.lines) <= 2
        is_one_word = len(words_of(Segment(0, 1, " ".join(cue.lines)))) == 1
        for line in cue.lines:
            wide = sum(map(is_wide, line))
            width = wide * limits.narrow + (len(line) - wide) * limits.wide
            assert width <= limits.wide * limits.narrow or is_one_word
    assert all(one.end_seconds <= two.start_seconds for one, two in pairwise(found))
    if end >= len(found) + 0.1:
        assert all(cue.end_seconds - cue.start_seconds >= 0.999 for cue in found)
    written = "".join(line for cue in found for line in cue.lines)
    assert "".join(written.split()) == "".join("".join(s.text for s in segments).split())


@settings(max_examples=40, deadline=None)
@given(st.lists(SENTENCES, max_size=3), st.lists(SENTENCES, max_size=3), LIMITS)
def test_two_who_speak_at_once_never_overlap_on_the_screen(left, right, limits: CueLimits) -> None:
    sides = [
        [replace(s, speaker=name) for s in made(told)]
        for name, told in zip("LR", (left, right), strict=True)
    ]
    both = [*sides[0], *sides[1]]
    end = max((segment.end_seconds for segment in both), default=0.0)
    found = cues(both, end, limits)
    assert all(one.end_seconds <= two.start_seconds for one, two in pairwise(found))
    assert all(cue.end_seconds - cue.start_seconds <= limits.seconds + 0.001 for cue in found)
    for name, side in zip("LR", sides, strict=True):
        shown_text = "".join(cue.text for cue in found if cue.speaker == name)
        assert "".join(shown_text.split()) == "".join("".join(s.text for s in side).split())


@settings(max_examples=60, deadline=None)
@given(SENTENCES, LIMITS)
def test_cues_lie_where_their_words_were_said(told, limits: CueLimits) -> None:
    segment = made([told])[0]
    found = cues([segment], segment.end_seconds + 1.0, limits)
    words = words_of(segment)
    assert all(one.start_seconds <= one.end_seconds for one in words)
    assert all(one.end_seconds <= two.start_seconds for one, two in pairwise(words))
    for cue in found:
        assert cue.start_seconds >= min(segment.start_seconds, segment.end_seconds) - 1.0 * len(
            found
        )
