"""Who speaks: what may be asked for, groups of embeddings, words and sentences of speakers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from seacod.asr.speakers import clustering
from seacod.asr.speakers.attribution import Windows, attributed
from seacod.asr.speakers.clustering import nearest, voices
from seacod.asr.speakers.wanted import MOST, SpeakerRange, parse
from seacod.asr.speakers.windows import windows
from seacod.errors import BadRequest
from seacod.speaker_encoders.base import Embeddings
from seacod.transcript import Segment, Token

RATE = 16_000
LIKENESS = 0.7


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, None),
        ("", None),
        ("false", None),
        ("0", None),
        ("true", SpeakerRange(1, MOST)),
        ("TRUE", SpeakerRange(1, MOST)),
        ("1", SpeakerRange(1, 1)),
        (" 3 ", SpeakerRange(3, 3)),
        ("2-4", SpeakerRange(2, 4)),
        ("2 - 4", SpeakerRange(2, 4)),
    ],
)
def test_speakers_are_asked_for_by_true_a_number_or_a_range(
    given: str | None, wanted: SpeakerRange | None
) -> None:
    assert parse(given) == wanted


@pytest.mark.parametrize("given", ["many", "-1", "0-2", "4-2", "2-", "1.5", "21", "2-99", "²"])
def test_anything_else_is_refused_with_what_may_be_sent(given: str) -> None:
    with pytest.raises(BadRequest, match=r"^speakers: .*use true .*2-4"):
        parse(given)


@given(some.integers(1, 30 * RATE))
def test_windows_cover_every_sample_of_a_piece(total: int) -> None:
    placed = windows(np.zeros(total, np.float32), 1.6, 0.8)
    assert placed[0][0] == 0
    assert placed[-1][1] == total
    assert all(start <= before for (_, before), (start, _) in zip(placed, placed[1:], strict=False))
    assert all(end - start == min(total, round(1.6 * RATE)) for start, end in placed)


def _embeddings(who: list[int], seed: int = 0, spread: float = 0.35) -> Embeddings:
    """Vectors around one of a few directions each."""
    chance = np.random.default_rng(seed)
    directions = np.abs(np.random.default_rng(7).standard_normal((MOST, 256)))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    directions -= directions.mean(axis=0)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    # Different people are alike, too: a cosine of about 0.55.
    directions = np.sqrt(0.45) * directions + np.sqrt(0.55) / 16
    noise = chance.standard_normal((len(who), 256)) / 16
    made = directions[who] + spread * noise
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), dtype=np.float32)


def _same(found: np.ndarray, who: list[int]) -> bool:
    pairs = set(zip(found.tolist(), who, strict=True))
    return len(pairs) == len(set(who)) == len(set(found.tolist()))


@settings(deadline=None, max_examples=10)
@given(some.integers(1, 6), some.integers(0, 1000))
def test_voices_are_told_apart_and_counted(count: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    # Everybody speaks three times, six windows each.
    turns = chance.permutation(np.repeat(np.arange(count), 3))
    who = np.repeat(turns, 6).tolist()
    pieces = np.repeat(np.arange(len(turns)), 6)
    embeddings = _embeddings(who, seed)
    centres = voices(embeddings, pieces, SpeakerRange(), LIKENESS)
    assert _same(nearest(embeddings, centres), who)
    first = [who.index(voice) for voice in dict.fromkeys(who)]
    assert nearest(embeddings[first], centres).tolist() == list(range(count)), "in their order"


@pytest.mark.parametrize(
    ("wanted", "count"),
    [(SpeakerRange(1, 1), 1), (SpeakerRange(2, 2), 2), (SpeakerRange(1, 2), 2),
     (SpeakerRange(3, 9), 3), (SpeakerRange(5, 5), 5)],
)  # fmt: skip
def test_there_are_as_many_voices_as_were_asked_for(wanted: SpeakerRange, count: int) -> None:
    who = [voice for voice in (0, 1, 2, 0, 1, 2) for _ in range(8)]
    pieces = np.repeat(np.arange(6), 8)
    assert len(voices(_embeddings(who), pieces, wanted, LIKENESS)) == count


def test_a_window_with_some_of_two_voices_is_nobody_of_its_own() -> None:
    who = [0] * 12 + [1] * 12 + [0] * 12 + [1] * 12
    embeddings = _embeddings(who)
    for change in (12, 24, 36):
        mixed = embeddings[change - 1] + embeddings[change + 1]
        embeddings[change] = mixed / np.linalg.norm(mixed)
    assert len(voices(embeddings, np.zeros(48, np.intp), SpeakerRange(), 0.85)) == 2


def test_four_hours_of_windows_are_grouped_without_a_matrix_of_all_pairs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = []
    agglomerated = clustering._agglomerated

    def noted(points: Embeddings, **how: Any) -> clustering.Labels:
        sizes.append(len(points))
        return agglomerated(points, **how)

    monkeypatch.setattr(clustering, "_agglomerated", noted)
    who = np.repeat(np.random.default_rng(3).integers(0, 4, 3000), 6).tolist()
    embeddings = _embeddings(who)
    centres = voices(embeddings, np.repeat(np.arange(3000), 6), SpeakerRange(), LIKENESS)
    assert _same(nearest(embeddings, centres), who)
    assert max(sizes) < 1500, "all pairs would be 1.3 GB"


@pytest.mark.parametrize("count", [2, 3])
def test_of_little_speech_as_many_voices_are_heard_as_were_asked_for(count: int) -> None:
    """Windows so alike that each way of dividing them leaves one alone."""
    embeddings = _embeddings([0] * 8, spread=0.05)
    pieces = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    centres = voices(embeddings, pieces, SpeakerRange(count, count), LIKENESS)
    assert len(centres) == count
    assert np.linalg.norm(centres, axis=1) == pytest.approx([1.0] * count, abs=1e-4)
    assert len(set(nearest(embeddings, centres).tolist())) == count


def test_one_short_piece_has_one_voice() -> None:
    assert len(voices(_embeddings([0]), np.zeros(1, np.intp), SpeakerRange(), LIKENESS)) == 1
    assert len(voices(_embeddings([0]), np.zeros(1, np.intp), SpeakerRange(3, 3), LIKENESS)) == 1


def _sentence(text: str, start: float, word_seconds: float = 0.4) -> Segment:
    words = [c for c in text if c.isalnum()]
    tokens = tuple(
        Token(word, start + n * word_seconds, start + (n + 1) * word_seconds, 0.9)
        for n, word in enumerate(words)
    )
    return Segment(start, start + len(words) * word_seconds, text, 0.9, tokens)


def _heard(turns: list[tuple[float, float, int]]) -> tuple[Windows, Embeddings]:
    """Windows of 1.6 s every 0.8 s, each like who speaks in its middle; one piece of speech."""
    last = turns[-1][1]
    starts = np.arange(0.0, max(0.1, last - 1.6), 0.8)
    middles = starts + 0.8
    who = [next((voice for a, b, voice in turns if a <= at < b), turns[-1][2]) for at in middles]
    centres = _embeddings(list(range(max(who) + 1)), spread=0.0)
    pieces = np.zeros(len(starts), dtype=np.intp)
    return Windows(starts, starts + 1.6, pieces, _embeddings(who)), centres


def test_a_sentence_in_which_the_speaker_changes_becomes_two() -> None:
    sentence = _sentence("今天天气很好我们出去走走好的那就走吧", 0.0)
    heard, centres = _heard([(0.0, 4.4, 0), (4.4, 7.2, 1)])
    first, second = attributed([sentence], heard, centres)
    assert (first.speaker, second.speaker) == ("S1", "S2")
    assert first.text + second.text == sentence.text
    assert abs(second.start_seconds - 4.4) <= 0.8
    assert {token.speaker for token in first.tokens} == {"S1"}
    assert first.start_seconds == sentence.start_seconds
    assert second.end_seconds == sentence.end_seconds


def test_punctuation_stays_with_what_it_follows() -> None:
    sentence = _sentence("你好吗，今天怎么样呢，我很好啊，谢谢你了。", 0.0)
    heard, centres = _heard([(0.0, 3.6, 0), (3.6, 6.8, 1)])
    parts = attributed([sentence], heard, centres)
    assert len(parts) == 2
    assert "".join(part.text for part in parts) == sentence.text
    assert all(part.text[0].isalnum() for part in parts)


def test_text_that_is_not_that_of_its_words_is_not_divided_but_its_words_are_told_apart() -> None:
    sentence = _sentence("一百二十三四五六七八九十一二三四五六", 0.0)
    written = Segment(
        sentence.start_seconds, sentence.end_seconds, "120三四...", 0.9, sentence.tokens
    )
    heard, centres = _heard([(0.0, 4.4, 0), (4.4, 7.2, 1)])
    (one,) = attributed([written], heard, centres)
    assert one.text == written.text
    assert one.speaker == "S1"
    assert [token.speaker for token in one.tokens][:: len(one.tokens) - 1] == ["S1", "S2"]


def test_the_first_who_speaks_is_the_first_in_name() -> None:
    heard, centres = _heard([(0.0, 4.0, 3), (4.0, 8.0, 1), (8.0, 12.0, 3)])
    said = [_sentence("一二三四五六七八九十", at) for at in (0.0, 4.0, 8.0)]
    assert [one.speaker for one in attributed(said, heard, centres)] == ["S1", "S2", "S1"]


def test_who_has_a_name_already_keeps_it() -> None:
    heard, centres = _heard([(0.0, 4.0, 0)])
    named = Segment(0.0, 2.0, "左", None, (), "left")
    other = Segment(2.0, 4.0, "右")
    assert [one.speaker for one in attributed([named, other], heard, centres)] == ["left", "S1"]


@settings(deadline=None, max_examples=60)
@given(
    some.lists(
        some.tuples(some.integers(0, 3), some.text("一二三四，。 aB1", min_size=1, max_size=12)),
        min_size=1, max_size=8,
    )
)  # fmt: skip
def test_no_text_is_lost_or_moved(said: list[tuple[int, str]]) -> None:
    at, turns, sentences = 0.0, [], []
    for voice, text in said:
        sentence = _sentence(text, at)
        turns.append((at, sentence.end_seconds + 0.1, voice))
        at = sentence.end_seconds + 0.1
        sentences.append(sentence)
    heard, centres = _heard([*turns, (at, at + 2.0, 0)])
    found = attributed(sentences, heard, centres)

    def letters(segments: list[Segment]) -> str:
        return "".join(c for s in segments for c in s.text if not c.isspace())

    assert letters(found) == letters(sentences)
    assert [t.text for s in found for t in s.tokens] == [
        t.text for s in sentences for t in s.tokens
    ]
    assert all(one.speaker for one in found)
    starts = [one.start_seconds for one in found]
    assert starts == sorted(starts)
