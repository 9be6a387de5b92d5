"""Plain text: the sentences in paragraphs, a line each: by pauses, and by who speaks.

Warnings come first where somebody asks for them: the text is what people copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from seacod.formats.base import Choices, OutputFormat, joined, prefix
from seacod.formats.remarks import remarks
from seacod.transcript import Segment, Transcript, by_speaker

# A paragraph ends at a long pause; a long one at a shorter pause, a very long one at a sentence.
_PAUSE_SECONDS = 2.0
_LONG_SECONDS, _LONG_PAUSE_SECONDS = 30.0, 0.6
_LONGEST_SECONDS = 60.0


def _render(transcript: Transcript, choices: Choices) -> str:
    head = remarks(transcript) if choices.shows_warnings else []
    return "".join(f"{line}\n" for line in [*head, ""] if head) + _text(transcript)


def _text(transcript: Transcript) -> str:
    found = sections(transcript)
    if found[0][0] is not None:
        return "\n".join(
            f"{name}:\n" + "".join(f"{joined(part)}\n" for part in paragraphs(segments))
            for name, segments in found
        )
    parts = list(paragraphs(transcript.segments))
    if len(parts) < 2 and not transcript.speakers:
        return transcript.text + "\n"
    return "".join(f"{prefix(part[0])}{joined(part)}\n" for part in parts)


def sections(transcript: Transcript) -> Sequence[tuple[str | None, Sequence[Segment]]]:
    """The sentences of each track under its name: tracks do not talk to each other, so their text
    is one after the other. Of everything else one section without a name."""
    if not any(transcript.text.startswith(f"{name}:\n") for name in transcript.speakers):
        return [(None, transcript.segments)]
    return [*by_speaker(transcript.segments).items()]


def paragraphs(segments: Iterable[Segment]) -> Iterator[list[Segment]]:
    """The sentences in paragraphs, by pauses and by who speaks."""
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
