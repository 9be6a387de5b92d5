"""Pieces as people read them: FunASR's own words, each with its time and its confidence."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from seacod.asr.recognisers import funasr_library
from seacod.asr.recognisers.word_pieces import WordPiece, words
from seacod.transcript import Token


def pieces(*texts: str) -> list[WordPiece]:
    """A piece every tenth of a second, each less certain than the one before."""
    return [
        WordPiece(text, index / 10, (index + 1) / 10, 0.9 - index / 100)
        for index, text in enumerate(texts)
    ]


def test_a_word_of_pieces_has_its_time_and_the_mean_of_their_confidence() -> None:
    found = words(pieces("我", "用", "tran@@", "sf@@", "or@@", "mer", "模", "型"))
    assert [token.text for token in found] == ["我", "用", "transformer", "模", "型"]
    word = found[2]
    assert (word.start_seconds, word.end_seconds) == (0.2, 0.6)
    assert word.confidence is not None
    assert round(word.confidence, 6) == round((0.88 + 0.87 + 0.86 + 0.85) / 4, 6)
    assert found[3].confidence == 0.9 - 6 / 100


def test_letters_side_by_side_are_an_abbreviation() -> None:
    found = words(pieces("g", "p", "u", "驱", "动", "a", "test"))
    assert [token.text for token in found] == ["GPU", "驱", "动", "a", "test"]
    assert found[0].end_seconds == pieces("", "", "")[-1].end_seconds


def test_an_unfinished_word_stays_where_it_was_said_and_nothing_silent_shifts_a_time() -> None:
    """FunASR glues the rest to the next English word, and gives what follows <unk> its time."""
    found = words(pieces("st@@", "今", "<unk>", "天", "art"))
    assert [token.text for token in found] == ["st", "今", "天", "art"]
    assert [round(token.start_seconds, 3) for token in found] == [0.0, 0.1, 0.3, 0.4]
    assert [token.text for token in words(pieces("好", "st@@"))] == ["好", "st"]
    assert words(pieces("<unk>")) == ()


WHOLE = st.sampled_from([["今"], ["好"], ["a"], ["b"], ["start"], ["it's"], ["st@@", "art"],
                         ["g", "p", "u"], ["ku@@", "ber@@", "netes"]])  # fmt: skip


@settings(deadline=None)
@given(st.lists(WHOLE, min_size=1, max_size=12))
def test_whole_words_are_those_of_funasr(said: list[list[str]]) -> None:
    # Not imported above: the whole of FunASR is as long as all other imports of the tests.
    theirs = funasr_library.module("funasr.utils.postprocess_utils")
    texts = [piece for word in said for piece in word]
    given_pieces = pieces(*texts)
    times = [[round(p.start_seconds * 1000), round(p.end_seconds * 1000)] for p in given_pieces]
    _, their_times, their_words = theirs.sentence_postprocess(texts, times)
    ours: list[Token] = list(words(given_pieces))
    assert [token.text for token in ours] == their_words
    assert [
        [round(t.start_seconds * 1000), round(t.end_seconds * 1000)] for t in ours
    ] == their_times
    assert all(token.confidence is not None for token in ours)
