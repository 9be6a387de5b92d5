"""Advanced SubStation Alpha subtitles, for players and editors with styles:
https://github.com/libass/libass/wiki/ASS-File-Format-Guide."""

from __future__ import annotations

from seacod.formats.base import Choices, OutputFormat
from seacod.formats.cues import Cue, cues
from seacod.formats.remarks import remarks
from seacod.transcript import Transcript

_TITLE = "[Script Info]\n"
_HEAD = """\
ScriptType: v4.00+
WrapStyle: 2
ScaledBorderAndShadow: yes
PlayResX: 1920
PlayResY: 1080

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, \
Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, \
Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,72,&H00FFFFFF,&H000000FF,&H00000000,&H80000000,\
0,0,0,0,100,100,0,0,1,3,1,2,60,60,60,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
# Braces begin commands, and a backslash some of them: their wide forms do not.
_HARMLESS = str.maketrans({"{": "｛", "}": "｝", "\\": "＼"})


def _render(transcript: Transcript, choices: Choices) -> str:
    found = cues(transcript.segments, transcript.duration_seconds, choices.cue_limits)
    # Lines that begin so are comments.
    said = "".join(f"; {line}\n" for line in remarks(transcript))
    return _TITLE + said + _HEAD + "".join(f"{_event(cue)}\n" for cue in found)


def _event(cue: Cue) -> str:
    # A comma would end the name.
    name = " ".join((cue.speaker or "").replace(",", "，").split())
    text = r"\N".join(line.translate(_HARMLESS) for line in cue.lines)
    start, end = _clock(cue.start_seconds), _clock(cue.end_seconds)
    return f"Dialogue: 0,{start},{end},Default,{name},0,0,0,,{text}"


def _clock(seconds: float) -> str:
    """Hours:minutes:seconds with hundredths; cut off, so that cues that touch do not overlap."""
    hundredths = round(seconds * 1000) // 10
    minutes, rest = divmod(hundredths, 6000)
    return f"{minutes // 60}:{minutes % 60:02}:{rest // 100:02}.{rest % 100:02}"


FORMAT = OutputFormat(
    "ass", ".ass", "text/x-ssa; charset=utf-8", "ASS subtitles", "ASS 字幕", 54, render=_render,
    is_on_page=True, is_in_zip=True,
)  # fmt: skip
