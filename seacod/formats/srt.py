"""SubRip subtitles, as players take them."""

from __future__ import annotations

from seacod.formats.base import Choices, OutputFormat, clock, prefix
from seacod.formats.cues import cues
from seacod.transcript import Transcript


def _render(transcript: Transcript, choices: Choices) -> str:
    found = cues(transcript.segments, transcript.duration_seconds, choices.cue_limits, prefix)
    return "\n".join(
        f"{number}\n{clock(cue.start_seconds, ',')} --> {clock(cue.end_seconds, ',')}\n"
        + "".join(f"{line}\n" for line in cue.lines)
        for number, cue in enumerate(found, 1)
    )


FORMAT = OutputFormat(
    "srt", ".srt", "application/x-subrip; charset=utf-8", "SubRip subtitles", "SRT 字幕", 40,
    render=_render, render_openai=_render, is_on_page=True, is_in_zip=True,
)  # fmt: skip
