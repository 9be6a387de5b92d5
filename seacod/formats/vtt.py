"""WebVTT subtitles, for video on web pages: https://www.w3.org/TR/webvtt1/."""

from __future__ import annotations

from seacod.formats.base import Choices, OutputFormat, clock, one_line
from seacod.formats.cues import cues
from seacod.formats.remarks import remarks
from seacod.transcript import Transcript


def _render(transcript: Transcript, choices: Choices) -> str:
    found = cues(transcript.segments, transcript.duration_seconds, choices.cue_limits)
    written = (
        f"{clock(cue.start_seconds, '.')} --> {clock(cue.end_seconds, '.')}\n"
        + _voice(cue.speaker)
        + "".join(f"{_escaped(line)}\n" for line in cue.lines)
        for cue in found
    )
    # A comment, which players do not show; an arrow would end it.
    said = "".join(f"{line.replace('-->', '->')}\n" for line in remarks(transcript))
    return "\n".join(["WEBVTT\n", *([f"NOTE\n{said}"] if said else []), *written])


def _escaped(text: str) -> str:
    """In one line, without what would begin markup, or look like a line of times (`-->`)."""
    return one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace("-->", "--&gt;")


def _voice(speaker: str | None) -> str:
    """A voice span, by which players and style sheets know who speaks; it ends with its cue."""
    return f"<v {_escaped(speaker).replace('>', '&gt;')}>" if speaker else ""


FORMAT = OutputFormat(
    "vtt", ".vtt", "text/vtt; charset=utf-8", "WebVTT subtitles", "WebVTT 字幕", 50,
    render=_render, render_openai=_render, is_on_page=True,
)  # fmt: skip
