"""Long answers are written beside the event loop, and what they cost grows with their length."""

from __future__ import annotations

import asyncio
import threading

import pytest

from seacod.formats.words import words_of
from seacod.transcript import Segment, Token, Transcript
from seacod.web.rendering import rendered


def transcript(text: str, segments: int = 0) -> Transcript:
    return Transcript(
        text, (Segment(0.0, 1.0, ""),) * segments, 1.0, 1.0, 0.0, None, "builtin", "cpu"
    )


def test_a_long_text_is_written_on_a_thread_and_a_short_one_at_once() -> None:
    def written(text: str, segments: int = 0) -> str:
        return asyncio.run(
            rendered(transcript(text, segments), lambda: threading.current_thread().name)  # type: ignore[arg-type]
        )

    assert written("好" * 100_000) == "seacod-writing"
    assert written("好", 50) == threading.current_thread().name
    # Sentences without a letter take as long as others.
    assert written("", 34_000) == "seacod-writing"


def test_what_goes_wrong_while_a_long_text_is_written_is_told() -> None:
    def fails() -> str:
        raise ValueError("no such letter")

    with pytest.raises(ValueError, match="no such letter"):
        asyncio.run(rendered(transcript("好" * 1_000), fails))


@pytest.mark.parametrize("count", [100, 3_000, 12_000])
def test_numbers_written_as_figures_have_the_times_of_the_words_around_them(count: int) -> None:
    """However long the sentence; beyond what is compared, its words share its time."""
    said = ["eleven" if n % 3 else f"ab{n}" for n in range(count)]
    tokens = tuple(Token(word, n, n + 0.5) for n, word in enumerate(said))
    written = " ".join("11" if word == "eleven" else word for word in said)
    words = words_of(Segment(0.0, count, written, None, tokens))
    assert [word.text for word in words] == written.split()
    times = [time for word in words for time in (word.start_seconds, word.end_seconds)]
    assert times == sorted(times)
    assert words[-1].end_seconds <= count
    if count < 1_500:
        assert [word.start_seconds for word in words[::3]] == pytest.approx(range(0, count, 3))
