"""WebVTT subtitles, for video on web pages: https://www.w3.org/TR/webvtt1/."""

from __future__ import annotations

from seacod.formats.base import Granularities, OutputFormat, clock, one_line
from seacod.transcript import Segment, Transcript


def _render(transcript: Transcript, granularities: Granularities) -> str:
    cues = (
        f"{clock(s.start_seconds, '.')} --> {clock(s.end_seconds, '.')}\n"
        f"{_voice(s)}{_escaped(s.text)}\n"
        for s in transcript.segments
    )
    return "\n".join(["WEBVTT\n", *cues])


def _escaped(text: str) -> str:
    """In one line, without the two characters that would begin markup."""
    return one_line(text).replace("&", "&amp;").replace("<", "&lt;")


def _voice(segment: Segment) -> str:
    """A voice span, by which players and style sheets know who speaks; it ends with its cue."""
    return f"<v {_escaped(segment.speaker).replace('>', '&gt;')}>" if segment.speaker else ""


FORMAT = OutputFormat(
    "vtt", ".vtt", "text/vtt; charset=utf-8", "WebVTT subtitles", "WebVTT 字幕", 50,
    render=_render, render_openai=_render, is_on_page=True,
)  # fmt: skip
