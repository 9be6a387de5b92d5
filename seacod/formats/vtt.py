"""WebVTT subtitles, for video on web pages: https://www.w3.org/TR/webvtt1/."""

from __future__ import annotations

from seacod.formats.base import Granularities, OutputFormat, clock, one_line
from seacod.transcript import Transcript


def _render(transcript: Transcript, granularities: Granularities) -> str:
    cues = (
        f"{clock(s.start_seconds, '.')} --> {clock(s.end_seconds, '.')}\n"
        # The two characters that would begin markup.
        f"{one_line(s.text).replace('&', '&amp;').replace('<', '&lt;')}\n"
        for s in transcript.segments
    )
    return "\n".join(["WEBVTT\n", *cues])


FORMAT = OutputFormat(
    "vtt", ".vtt", "text/vtt; charset=utf-8", "WebVTT subtitles", "WebVTT 字幕", 50,
    render=_render, render_openai=_render, is_on_page=True,
)  # fmt: skip
