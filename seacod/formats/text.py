"""Plain text: the sentences and nothing else; a line for each turn where it is known who speaks."""

from __future__ import annotations

from itertools import groupby

from seacod.formats.base import Granularities, OutputFormat, joined
from seacod.transcript import Transcript


def _render(transcript: Transcript, granularities: Granularities) -> str:
    # Tracks do not talk to each other: their text has one after the other, with its name, already.
    is_by_track = any(transcript.text.startswith(f"{name}:\n") for name in transcript.speakers)
    if is_by_track or not transcript.speakers:
        return transcript.text + "\n"
    turns = groupby(transcript.segments, key=lambda segment: segment.speaker)
    return "".join(
        f"{speaker}: {joined(turn)}\n" if speaker else f"{joined(turn)}\n"
        for speaker, turn in turns
    )


FORMAT = OutputFormat(
    "text", ".txt", "text/plain; charset=utf-8", "Plain text", "纯文本", 30,
    render=_render, render_openai=_render, is_on_page=True, is_in_zip=True,
)  # fmt: skip
