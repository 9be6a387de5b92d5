"""SubRip subtitles, as players take them."""

from __future__ import annotations

from seacod.formats.base import Granularities, OutputFormat, clock, one_line, prefix
from seacod.transcript import Transcript


def _render(transcript: Transcript, granularities: Granularities) -> str:
    return "\n".join(
        f"{number}\n{clock(s.start_seconds, ',')} --> {clock(s.end_seconds, ',')}\n"
        f"{prefix(s)}{one_line(s.text)}\n"
        for number, s in enumerate(transcript.segments, 1)
    )


FORMAT = OutputFormat(
    "srt", ".srt", "application/x-subrip; charset=utf-8", "SubRip subtitles", "SRT 字幕", 40,
    render=_render, render_openai=_render, is_on_page=True, is_in_zip=True,
)  # fmt: skip
