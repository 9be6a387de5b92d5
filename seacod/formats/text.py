"""Plain text: the sentences in paragraphs, a line each: by pauses, and by who speaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from seacod.formats.base import Choices, OutputFormat, joined, prefix
from seacod.transcript import Segment, Transcript

# A paragraph ends at a long pause; a long one at a shorter pause, a very long one at a sentence.
_PAUSE_SECONDS = 2.0
_LONG_SECONDS, _LONG_PAUSE_SECONDS = 30.0, 0.6
_LONGEST_SECONDS = 60.0


def _render(transcript: Transcript, choices: Choices) -> str:
    # Tracks do not talk to each other: their text is one after the other, under its name.
    if any(transcript.text.startswith(f"{name}:\n") for name in transcript.speakers):
        by_track = {
            name: [s for s in transcript.segments if (s.speaker or "") == name]
            for name in sorted({segment.speaker or "" for segment in transcript.segments})
        }
        return "\n".join(
            f"{name}:\n" + "".join(f"{joined(part)}\n" for part in _paragraphs(segments))
            for name, segments in by_track.items()
        )
    parts = list(_paragraphs(transcript.segments))
    if len(parts) < 2 and not transcript.speakers:
        return transcript.text + "\n"
    return "".join(f"{prefix(part[0])}{joined(part)}\n" for part in parts)


def _paragraphs(segments: Iterable[Segment]) -> Iterator[list[Segment]]:
    part: list[Segment] = []
    for segment in segments:
        if part and _ends_before(segment, part):
            yield part
            part = []
        part.append(segment)
    if part:
        yield part


def _ends_before(segment: Segment, part: list[Segment]) -> bool:
    """Whether a paragraph is over before a sentence."""
    pause = segment.start_seconds - part[-1].end_seconds
    seconds = part[-1].end_seconds - part[0].start_seconds
    return (
        segment.speaker != part[-1].speaker
        or pause >= _PAUSE_SECONDS
        or (seconds >= _LONG_SECONDS and pause >= _LONG_PAUSE_SECONDS)
        or seconds >= _LONGEST_SECONDS
    )


FORMAT = OutputFormat(
    "text", ".txt", "text/plain; charset=utf-8", "Plain text", "纯文本", 30,
    render=_render, render_openai=_render, is_on_page=True, is_in_zip=True,
)  # fmt: skip
