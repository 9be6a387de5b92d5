"""LRC lyrics, which music players show line by line: each line has only its start."""

from __future__ import annotations

from itertools import zip_longest

from seacod.formats.base import Choices, OutputFormat, prefix
from seacod.formats.cues import Cue, cues
from seacod.transcript import Transcript


def _render(transcript: Transcript, choices: Choices) -> str:
    found = cues(transcript.segments, transcript.duration_seconds, choices.cue_limits, prefix)
    return "".join(_line(cue, following) for cue, following in zip_longest(found, found[1:]))


def _line(cue: Cue, following: Cue | None) -> str:
    text = f"{_clock(cue.start_seconds)}{cue.text}\n"
    # An empty line takes it off the screen, where the next does not.
    is_followed = following is not None and following.start_seconds <= cue.end_seconds
    return text if is_followed else f"{text}{_clock(cue.end_seconds)}\n"


def _clock(seconds: float) -> str:
    """Minutes:seconds with hundredths; LRC knows no hours."""
    minutes, rest = divmod(round(seconds * 1000) // 10, 6000)
    return f"[{minutes:02}:{rest // 100:02}.{rest % 100:02}]"


FORMAT = OutputFormat(
    "lrc", ".lrc", "text/x-lrc; charset=utf-8", "LRC lyrics", "LRC 歌词", 56, render=_render,
    is_on_page=True, is_in_zip=True,
)  # fmt: skip
