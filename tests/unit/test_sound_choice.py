"""What is to be heard of a recording: written, and read again from forms, commands, stored jobs."""

from __future__ import annotations

import pytest

from seacod.asr.choice import EVERYTHING, SoundChoice
from seacod.asr.speakers.wanted import SpeakerRange
from seacod.errors import BadRequest


@pytest.mark.parametrize(
    "choice",
    [EVERYTHING, SoundChoice(2), SoundChoice("all", "mix"), SoundChoice(None, "split"),
     SoundChoice(speakers=SpeakerRange()), SoundChoice(3, "mix", SpeakerRange(2, 2)),
     SoundChoice(speakers=SpeakerRange(2, 5)), SoundChoice(speakers=SpeakerRange(1, 1)),
     SoundChoice(speakers=SpeakerRange(1, 3))],
)  # fmt: skip
def test_a_choice_is_read_as_it_was_written(choice: SoundChoice) -> None:
    assert SoundChoice.read(choice.fields()) == choice


def test_what_was_not_chosen_is_not_written() -> None:
    assert EVERYTHING.fields() == {}
    assert SoundChoice.read({"track": "", "channels": "", "speakers": ""}) == EVERYTHING


@pytest.mark.parametrize(
    ("field", "value"),
    [("track", "0"), ("track", "first"), ("track", "-1"), ("channels", "left"), ("speakers", "99")],
)
def test_what_means_nothing_is_refused_by_its_name(field: str, value: str) -> None:
    with pytest.raises(BadRequest, match=f"^{field}: "):
        SoundChoice.read({field: value})
    with pytest.raises(BadRequest, match=f"^--{field}: "):
        SoundChoice.read({field: value}, "--")


def test_a_format_that_shows_speakers_wants_them() -> None:
    assert EVERYTHING.for_format(needs_speakers=True).speakers == SpeakerRange()
    two = SoundChoice(speakers=SpeakerRange(2, 2))
    assert two.for_format(needs_speakers=True) == two
    assert EVERYTHING.for_format(needs_speakers=False) == EVERYTHING
